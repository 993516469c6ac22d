import { z } from "zod";
import type { Client } from "../../../contract/client.ts";
import { toSubject } from "../../../contract/mail/text.ts";
import { given } from "../mail-tools.ts";
import { type Actor, actor, agentMailTool, texts } from "./connection.ts";
import { messageId } from "./inbox.ts";

/** Files lie on the sender's disk, which the server does not read. */
const noFiles = z
  .array(z.string())
  .max(0, "files are uploaded by the sender: gridpost send NAME -s SUBJECT --attach FILE");
const importance = z.enum(["low", "normal", "high", "urgent"]);

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
      to: texts.default([]),
      subject: z.string(),
      body_md: z.string(),
      cc: texts.optional(),
      bcc: texts.optional(),
      importance: importance.optional(),
      ack_required: z.boolean().optional(),
      thread_id: z.string().optional(),
      broadcast: z.boolean().optional(),
      idempotency_key: z.string().optional(),
      attachment_paths: noFiles.optional(),
    }),
    ignores: ["convert_images", "auto_contact_if_blocked", "topic", "sender_token"],
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.sender_name);
      const sent = await me.client.mailbox.send(
        {
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
        },
        given({ idempotencyKey: args.idempotency_key }),
      );
      return delivered(me, sent);
    },
  }),
  agentMailTool({
    name: "reply_message",
    description:
      "Reply in the thread of a message, to its sender or to `to`; importance and acknowledgement are inherited",
    input: z.strictObject({
      project_key: z.string(),
      message_id: messageId,
      sender_name: z.string().optional(),
      body_md: z.string(),
      to: texts.optional(),
      cc: texts.optional(),
      bcc: texts.optional(),
      subject_prefix: z.string().default("Re:"),
      importance: importance.optional(),
      ack_required: z.boolean().optional(),
      idempotency_key: z.string().optional(),
    }),
    ignores: ["sender_token"],
    run: async (args, connection) => {
      const me = await actor(connection, args.project_key, args.sender_name);
      const params = { project: me.project, message: args.message_id };
      const sent = await me.client.mailbox.reply(
        {
          params,
          body: {
            body: args.body_md,
            ...given({
              to: args.to?.length === 0 ? undefined : args.to,
              cc: args.cc,
              bcc: args.bcc,
              subject: await subjectOf(me, args),
              importance: args.importance,
              ackRequired: args.ack_required,
            }),
          },
        },
        given({ idempotencyKey: args.idempotency_key }),
      );
      return { ...(await delivered(me, sent)), reply_to: args.message_id, thread_id: sent.thread };
    },
  }),
];

interface Prefixed {
  readonly message_id: string;
  readonly subject_prefix: string;
}

/** The subject with another prefix than the server's own, once; undefined for the server's. */
async function subjectOf(
  { client, project }: Actor,
  { message_id, subject_prefix: prefix }: Prefixed,
): Promise<string | undefined> {
  if (prefix.toLowerCase() === "re:") return undefined;
  const { subject } = await client.mailbox.message({ params: { project, message: message_id } });
  const has = subject.toLowerCase().startsWith(prefix.toLowerCase());
  return toSubject(has ? subject : `${prefix} ${subject}`);
}
