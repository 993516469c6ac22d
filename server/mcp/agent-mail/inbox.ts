import { z } from "zod";
import type { Client } from "../../../contract/client.ts";
import { flags } from "../mail-tools.ts";
import { type Actor, actor, agentMailTool } from "./connection.ts";

/** A message's id, or its place in the inbox. */
export const messageId = z.union([z.string(), z.int()]).transform(String);
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

const oneMessage = z.strictObject({
  project_key: z.string(),
  agent_name: z.string().optional(),
  message_id: messageId,
});

export const inboxTools = [
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
    ignores: ["topic", "mark_read"],
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
    input: oneMessage,
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
    input: oneMessage,
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
];
