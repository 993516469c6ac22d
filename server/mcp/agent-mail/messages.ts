import { z } from "zod";
import type { Client } from "../../../contract/client.ts";
import { flags, given } from "../mail-tools.ts";
import { type Actor, actor, agentMailTool } from "./connection.ts";

const names = z.union([z.string().transform((name) => [name]), z.array(z.string())]);
const messageId = z.union([z.string(), z.int()]).transform(String);
const importance = z.enum(["low", "normal", "high", "urgent"]);
/** The server's own limit of a page; that profile's is higher. */
const MAX_PAGE = 500;
/** A time without a zone is UTC. */
const timestamp = z.iso
  .datetime({ offset: true, local: true })
  .transform((time) => (/(Z|[+-]\d\d:\d\d)$/.test(time) ? time : `${time}Z`));

interface Asked {
  readonly limit: number;
  readonly urgent?: boolean;
  readonly unread?: boolean;
  readonly bodies?: boolean;
  readonly after?: number | undefined;
  readonly since?: string | undefined;
}

interface Inbox {
  readonly inbox: readonly Record<string, unknown>[];
  /** Whether the limit left messages out. */
  readonly more: boolean;
}

/** The inbox in the shape of that profile: newest first, but what follows a place in the order in which it came. */
export async function inboxOf(
  { client, project, agent }: Actor,
  { bodies, ...asked }: Asked,
): Promise<Inbox> {
  const { messages, more } = await client.mailbox.inbox({
    params: { project },
    query: { ...flags(asked) },
  });
  const ordered = asked.after === undefined ? messages.toReversed() : messages;
  const inbox = ordered.map(async (entry) => ({
    id: entry.id,
    seq: entry.seq,
    from: entry.from,
    to: agent,
    subject: entry.subject,
    created_ts: entry.sentAt,
    importance: entry.importance,
    ack_required: entry.ackRequired,
    thread_id: entry.thread,
    read_ts: entry.readAt,
    ack_ts: entry.ackedAt,
    ...(bodies === true ? { body_md: await bodyOf(client, project, entry.id) } : {}),
  }));
  return { inbox: await Promise.all(inbox), more };
}

const bodyOf = async (client: Client, project: string, message: string): Promise<string> =>
  (await client.mailbox.message({ params: { project, message } })).body;

/** A sent message in the shape of that profile. */
async function delivered(
  { client, project }: Actor,
  sent: Awaited<ReturnType<Client["mailbox"]["send"]>>,
): Promise<Record<string, unknown>> {
  const message = await client.mailbox.message({ params: { project, message: sent.id } });
  const payload = {
    id: message.id,
    thread_id: message.thread,
    from: message.from,
    to: message.to,
    cc: message.cc,
    subject: message.subject,
    importance: message.importance,
    ack_required: message.ackRequired,
    created_ts: message.sentAt,
  };
  const count = sent.count ?? sent.recipients.length;
  return { deliveries: [{ project, payload }], count, ...given({ skipped: sent.skipped }) };
}

export const messageTools = [
  agentMailTool({
    name: "send_message",
    description:
      "Send Markdown as this connection's agent to agents, @groups or (broadcast) everybody",
    input: z.strictObject({
      project_key: z.string(),
      sender_name: z.string().optional(),
      to: names.default([]),
      subject: z.string(),
      body_md: z.string(),
      cc: names.optional(),
      bcc: names.optional(),
      importance: importance.optional(),
      ack_required: z.boolean().optional(),
      thread_id: z.string().optional(),
      broadcast: z.boolean().optional(),
    }),
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.sender_name);
      const sent = await me.client.mailbox.send({
        params: { project: me.project },
        body: {
          to: args.broadcast === true ? [...args.to, "@all"] : args.to,
          subject: args.subject,
          body: args.body_md,
          ...given({
            cc: args.cc,
            bcc: args.bcc,
            importance: args.importance,
            ackRequired: args.ack_required,
            thread: args.thread_id,
          }),
        },
      });
      return delivered(me, sent);
    },
  }),
  agentMailTool({
    name: "reply_message",
    description: "Reply in the thread of a message; importance and acknowledgement are inherited",
    input: z.strictObject({
      project_key: z.string(),
      message_id: messageId,
      sender_name: z.string().optional(),
      body_md: z.string(),
      cc: names.optional(),
    }),
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.sender_name);
      const params = { project: me.project, message: args.message_id };
      const sent = await me.client.mailbox.reply({
        params,
        body: { body: args.body_md, ...given({ cc: args.cc }) },
      });
      return { ...(await delivered(me, sent)), reply_to: args.message_id, thread_id: sent.thread };
    },
  }),
  agentMailTool({
    name: "fetch_inbox",
    description:
      "Messages of this connection's agent: the oldest after `after_seq`, the oldest that came since `since_ts`, or the newest. Newest first, but ascending with `after_seq`; nothing is marked read",
    input: z.strictObject({
      project_key: z.string(),
      agent_name: z.string().optional(),
      limit: z.int().min(1).default(20),
      urgent_only: z.boolean().default(false),
      unread_only: z.boolean().default(false),
      include_bodies: z.boolean().default(false),
      after_seq: z.int().min(0).optional(),
      since_ts: timestamp.optional(),
    }),
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.agent_name);
      const { inbox } = await inboxOf(me, {
        limit: Math.min(args.limit, MAX_PAGE),
        urgent: args.urgent_only,
        unread: args.unread_only,
        bodies: args.include_bodies,
        after: args.after_seq,
        since: args.since_ts,
      });
      return inbox;
    },
  }),
  agentMailTool({
    name: "mark_message_read",
    description: "Mark a message read; the first time wins",
    input: z.strictObject({
      project_key: z.string(),
      agent_name: z.string().optional(),
      message_id: messageId,
    }),
    run: async (args, connection) => {
      const { client, project } = await actor(connection, args.project_key, args.agent_name);
      const { readAt } = await client.mailbox.markRead({
        params: { project, message: args.message_id },
      });
      return { message_id: args.message_id, read: true, read_at: readAt };
    },
  }),
  agentMailTool({
    name: "acknowledge_message",
    description: "Accept responsibility for a message; marks it read too",
    input: z.strictObject({
      project_key: z.string(),
      agent_name: z.string().optional(),
      message_id: messageId,
    }),
    run: async (args, connection) => {
      const { client, project } = await actor(connection, args.project_key, args.agent_name);
      const { ackedAt, readAt } = await client.mailbox.ack({
        params: { project, message: args.message_id },
      });
      return {
        message_id: args.message_id,
        acknowledged: true,
        acknowledged_at: ackedAt,
        read_at: readAt,
      };
    },
  }),
  agentMailTool({
    name: "search_messages",
    description: "Search the subjects and bodies that this connection's agent sees",
    input: z.strictObject({
      project_key: z.string(),
      query: z.string(),
      limit: z.int().min(1).max(100).default(20),
    }),
    run: async ({ project_key, query: q, limit }, connection) => {
      const { client, project } = await actor(connection, project_key);
      const { results } = await client.mailbox.search({ params: { project }, query: { q, limit } });
      return results.map(({ id, thread, from, subject, snippet, sentAt }) => ({
        id,
        thread_id: thread,
        from,
        subject,
        snippet,
        created_ts: sentAt,
      }));
    },
  }),
  agentMailTool({
    name: "summarize_thread",
    description: "Who takes part in a thread, what was decided, what is open and done",
    input: z.strictObject({ project_key: z.string(), thread_id: z.string() }),
    run: async ({ project_key, thread_id }, connection) =>
      threadSummary(await actor(connection, project_key), thread_id),
  }),
];

/** The digest of a thread in the shape of that profile. */
export async function threadSummary(
  { client, project }: Actor,
  thread: string,
): Promise<Record<string, unknown>> {
  const digest = await client.mailbox.threadDigest({ params: { project, thread } });
  const lines = (said: readonly { text: string }[]): string[] => said.map(({ text }) => text);
  return {
    thread_id: thread,
    summary: {
      participants: digest.participants,
      key_points: lines(digest.decisions),
      action_items: lines(digest.open),
      done: lines(digest.done),
      mentions: digest.mentions.map(({ agent, count }) => ({ name: agent, count })),
      references: digest.links,
      total_messages: digest.messages,
    },
  };
}
