import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { Importance } from "./events/mailbox.ts";
import { MessageId, Name, ThreadId, Time } from "./ids.ts";
import { NextCursor, pageQuery } from "./page.ts";

export const Agent = z
  .object({
    name: Name,
    project: Name,
    owner: z.string(),
    program: z.string().nullable(),
    model: z.string().nullable(),
    task: z.string().nullable(),
    node: z.string().nullable(),
    registeredAt: Time,
    /** When it last registered, sent, read or acknowledged. */
    activeAt: Time,
    retiredAt: Time.nullable(),
  })
  .meta({ id: "Agent" });

/** A line of an inbox. */
export const InboxEntry = z
  .object({
    id: MessageId,
    /** The place in this agent's inbox, gapless, from 1. */
    seq: z.int(),
    from: Name,
    subject: z.string(),
    thread: ThreadId,
    importance: Importance,
    ackRequired: z.boolean(),
    sentAt: Time,
    readAt: Time.nullable(),
    ackedAt: Time.nullable(),
  })
  .meta({ id: "InboxEntry" });

export const Message = z
  .object({
    id: MessageId,
    thread: ThreadId,
    replyTo: MessageId.nullable(),
    from: Name,
    to: z.array(z.string()),
    cc: z.array(z.string()),
    /** Given to the sender only. */
    bcc: z.array(z.string()).optional(),
    subject: z.string(),
    body: z.string(),
    importance: Importance,
    ackRequired: z.boolean(),
    sentAt: Time,
    /** The place in the reader's inbox; null when it was not delivered to the reader. */
    seq: z.int().nullable(),
    readAt: Time.nullable(),
    ackedAt: Time.nullable(),
  })
  .meta({ id: "Message" });

export const MAX_SUBJECT = 200;
export const MAX_BODY_BYTES = 1_048_576;

/** Text that every store and terminal can hold. */
const Text = z.string().refine((text) => !/[\0\p{Surrogate}]/u.test(text), {
  message:
    "must not contain NUL characters or lone surrogates; encode binary data, or attach it as a file",
});
const Subject = Text.min(1, "must not be empty")
  .max(MAX_SUBJECT, `must be at most ${MAX_SUBJECT} characters`)
  .refine((text) => !/[\r\n]/.test(text), { message: "must be one line" });
const fits = (text: string): boolean =>
  // No character takes more than three bytes per UTF-16 unit, so that most texts need not be encoded.
  text.length * 3 <= MAX_BODY_BYTES ||
  (text.length <= MAX_BODY_BYTES && new TextEncoder().encode(text).length <= MAX_BODY_BYTES);
const Body = Text.refine(fits, {
  message: `must be at most ${MAX_BODY_BYTES} bytes of UTF-8; attach longer text as a file`,
});
export const MAX_RECIPIENTS = 1_000;
/** A name of an agent. */
const Recipient = z.string().min(1).max(130);
const Recipients = z
  .array(Recipient)
  .max(MAX_RECIPIENTS, `must name at most ${MAX_RECIPIENTS} recipients; use a group or @all`);

export const Sent = z
  .object({
    id: MessageId,
    thread: ThreadId,
    recipients: z.array(z.object({ agent: Name, seq: z.int() })),
  })
  .meta({ id: "Sent" });

const project = z.object({ project: Name });
/** A message id, or the seq of a message in the caller's inbox. */
const MessageRef = z
  .string()
  .regex(/^(\d{1,15}|[0-9a-f-]{36})$/, "must be a message id or a seq of your inbox");
const message = project.extend({ message: MessageRef });
const bodyLimit = 8 * 1_048_576;

export const mailbox = {
  registerAgent: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents",
    summary: "Register an agent that you own",
    scope: "agent:write",
    params: project,
    body: z.strictObject({
      /** As `Name`; what looks like a mistake is refused with an explanation. */
      name: z.string().min(1).max(254),
      program: z.string().max(128).optional(),
      model: z.string().max(128).optional(),
      task: z.string().max(1_000).optional(),
      node: Name.optional(),
    }),
    response: Agent,
  }),
  agents: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/agents",
    summary: "List agents by name",
    scope: "project:read",
    params: project,
    query: z.strictObject({ ...pageQuery, mine: z.stringbool().default(false) }),
    response: z.object({ agents: z.array(Agent), next: NextCursor }),
  }),
  agent: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/agents/:name",
    summary: "Show an agent",
    scope: "project:read",
    params: project.extend({ name: Name }),
    response: Agent,
  }),
  retireAgent: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents/:name/retire",
    summary: "Retire an agent that you own: it refuses new mail",
    scope: "agent:write",
    params: project.extend({ name: Name }),
    response: Agent,
  }),
  send: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/messages",
    summary: "Send a message as the calling agent",
    scope: "mail:send",
    params: project,
    bodyLimit,
    body: z.strictObject({
      to: Recipients.min(1, "name at least one recipient"),
      cc: Recipients.default([]),
      bcc: Recipients.default([]),
      subject: Subject,
      body: Body.default(""),
      thread: ThreadId.optional(),
      /** A new thread may be made open: every reader of the project sees it. */
      open: z.boolean().default(false),
      importance: Importance.default("normal"),
      ackRequired: z.boolean().default(false),
    }),
    response: Sent,
  }),
  reply: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/messages/:message/reply",
    summary: "Reply in the thread of a message",
    scope: "mail:send",
    params: message,
    bodyLimit,
    body: z.strictObject({
      body: Body,
      subject: Subject.optional(),
      /** Also to the other recipients of the message. */
      all: z.boolean().default(false),
      cc: Recipients.default([]),
      importance: Importance.optional(),
      ackRequired: z.boolean().optional(),
    }),
    response: Sent,
  }),
  inbox: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/inbox",
    summary: "Read the calling agent's inbox by ascending seq; consumes nothing",
    scope: "mail:read",
    params: project,
    query: z.strictObject({
      /** Only messages with a higher seq. Without it: the newest `limit`. */
      after: z.coerce.number().int().min(0).optional(),
      limit: z.coerce.number().int().min(1).max(500).default(20),
      unread: z.stringbool().default(false),
      /** Wait up to so many milliseconds for a message when there is none. */
      wait: z.coerce.number().int().min(0).max(300_000).default(0),
    }),
    response: z.object({
      messages: z.array(InboxEntry),
      /** The highest seq seen: the `after` of the next call. */
      next: z.int(),
      more: z.boolean(),
    }),
  }),
  message: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/messages/:message",
    summary: "Show a message without marking it read",
    scope: "mail:read",
    params: message,
    response: Message,
  }),
  markRead: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/messages/:message/read",
    summary: "Mark a message read and show it; the first time wins",
    scope: "mail:read",
    params: message,
    response: Message,
  }),
  ack: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/messages/:message/ack",
    summary: "Accept responsibility for a message; implies read",
    scope: "mail:read",
    params: message,
    response: z.object({ id: MessageId, readAt: Time, ackedAt: Time }),
  }),
  threads: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/threads",
    summary: "List the threads that you see, newest first",
    scope: "mail:read",
    params: project,
    query: z.strictObject(pageQuery),
    response: z.object({
      threads: z.array(
        z.object({
          thread: ThreadId,
          subject: z.string(),
          open: z.boolean(),
          messages: z.int(),
          lastAt: Time,
        }),
      ),
      next: NextCursor,
    }),
  }),
  thread: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/threads/:thread",
    summary: "Show a thread in order",
    scope: "mail:read",
    params: project.extend({ thread: ThreadId }),
    query: z.strictObject(pageQuery),
    response: z.object({
      thread: ThreadId,
      open: z.boolean(),
      messages: z.array(
        z.object({
          id: MessageId,
          from: Name,
          subject: z.string(),
          body: z.string(),
          sentAt: Time,
        }),
      ),
      next: NextCursor,
    }),
  }),
} as const;
