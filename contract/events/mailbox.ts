import { z } from "zod";
import { MessageId, Name, ThreadId } from "../ids.ts";

export const Importance = z.enum(["low", "normal", "high", "urgent"]);

/** Bodies of the mailbox's events, by type; version 1 of each. */
export const mailboxEvents = {
  "agent.registered": z.object({
    name: Name,
    /** The principal that owns the agent: `user:anna`, or the agent itself when it has its own key. */
    owner: z.string(),
    program: z.string().nullable(),
    model: z.string().nullable(),
    task: z.string().nullable(),
    node: z.string().nullable(),
  }),
  "agent.retired": z.object({ name: Name }),
  "agent.unretired": z.object({ name: Name }),
  "message.sent": z.object({
    id: MessageId,
    thread: ThreadId,
    /** Whether this message starts an open thread (null: the thread exists already). */
    open: z.boolean().nullable(),
    replyTo: MessageId.nullable(),
    from: Name,
    to: z.array(Name),
    cc: z.array(Name),
    bcc: z.array(Name),
    subject: z.string(),
    body: z.string(),
    importance: Importance,
    ackRequired: z.boolean(),
  }),
  "message.read": z.object({ agent: Name, message: MessageId }),
  "message.acked": z.object({ agent: Name, message: MessageId }),
} as const;
