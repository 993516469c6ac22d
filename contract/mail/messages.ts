import { z } from "zod";
import { defineEndpoint } from "../endpoint.ts";
import { Attachment, Importance, RecipientKind, Skipped } from "../events/mailbox.ts";
import { MessageId, Name, Sha256, ThreadId, Time } from "../ids.ts";
import { NextCursor, pageQuery } from "../page.ts";
import {
  Body,
  MAX_ATTACHMENT_BYTES,
  MAX_ATTACHMENTS,
  Payload,
  Recipients,
  Subject,
} from "./text.ts";

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
    /** Until when the recipients should have acknowledged it; null without a deadline. */
    ackDueAt: Time.nullable(),
    /** From then on it is in no inbox; null: never. */
    expiresAt: Time.nullable(),
    payload: Payload.nullable(),
    attachments: z.array(Attachment),
    sentAt: Time,
    /** The place in the reader's inbox; null when it was not delivered to the reader. */
    seq: z.int().nullable(),
    readAt: Time.nullable(),
    ackedAt: Time.nullable(),
  })
  .meta({ id: "Message" });

export const Sent = z
  .object({
    id: MessageId,
    thread: ThreadId,
    /** To whom it was delivered at once. */
    recipients: z.array(z.object({ agent: Name, seq: z.int() })),
    /** With `@all`: how many agents it is on its way to. */
    count: z.int().optional(),
    /** Members of groups, or others whom a reply would have reached, that do not get it. */
    skipped: z.array(Skipped).optional(),
  })
  .meta({ id: "Sent" });

/** How a message fared with one recipient. */
const Receipt = z.object({
  agent: Name,
  kind: RecipientKind,
  seq: z.int(),
  deliveredAt: Time,
  readAt: Time.nullable(),
  ackedAt: Time.nullable(),
});

const project = z.object({ project: Name });
/** A message id, or the seq of a message in the caller's inbox. */
const MessageRef = z
  .string()
  .regex(/^(\d{1,15}|[0-9a-f-]{36})$/, "must be a message id or a seq of your inbox");
const message = project.extend({ message: MessageRef });
const bodyLimit = 8 * 1_048_576;
const MAX_SPAN_MS = 365 * 86_400_000;
/** Files that were uploaded before; the name is what the recipients see. */
const Attach = z
  .array(
    z.strictObject({
      sha256: Sha256,
      name: z
        .string()
        .regex(
          /^(?!\.{1,2}$)[^\p{Cc}\p{Surrogate}/\\]{1,200}$/u,
          "must be a file name without folders",
        ),
    }),
  )
  .max(MAX_ATTACHMENTS, `must be at most ${MAX_ATTACHMENTS} attachments`);

const SpanMs = z
  .int()
  .min(1_000, "must be at least a second")
  .max(MAX_SPAN_MS, "must be at most a year");

export const messageEndpoints = {
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
      /** Milliseconds that the recipients have to acknowledge; asks for an acknowledgement. */
      ackWithinMs: SpanMs.optional(),
      /** Milliseconds after which it is in no inbox any more. */
      expiresAfterMs: SpanMs.optional(),
      payload: Payload.optional(),
      attachments: Attach.default([]),
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
      /** Instead of the sender. */
      to: Recipients.min(1, "name at least one recipient, or leave `to` out").optional(),
      /** Also to the other recipients of the message. */
      all: z.boolean().default(false),
      cc: Recipients.default([]),
      bcc: Recipients.default([]),
      importance: Importance.optional(),
      ackRequired: z.boolean().optional(),
      payload: Payload.optional(),
      attachments: Attach.default([]),
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
      /** Only what came at that time or later, the oldest `limit` of it; a time of sending may be earlier. */
      since: z.iso.datetime({ offset: true }).optional(),
      limit: z.coerce.number().int().min(1).max(500).default(20),
      unread: z.stringbool().default(false),
      /** Only high and urgent ones. */
      urgent: z.stringbool().default(false),
      thread: ThreadId.optional(),
      /** Only those that were not acknowledged in time. */
      ackOverdue: z.stringbool().default(false),
      /** Wait up to so many milliseconds for a message when there is none. */
      wait: z.coerce.number().int().min(0).max(300_000).default(0),
    }),
    response: z.object({
      messages: z.array(InboxEntry),
      /** The highest seq seen: the `after` of the next call. */
      next: z.int(),
      /** Further messages follow `next`; without `after`: older ones were left out. */
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
  receipts: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/messages/:message/receipts",
    summary: "Show how a message that you sent fared with each recipient, by name",
    scope: "mail:read",
    params: message,
    query: z.strictObject({ ...pageQuery, limit: pageQuery.limit.default(500) }),
    response: z.object({
      id: MessageId,
      receipts: z.array(Receipt),
      skipped: z.array(Skipped),
      /** Recipients of `@all` that it has not reached yet may follow. */
      pending: z.boolean(),
      next: NextCursor,
    }),
  }),
  putAttachment: defineEndpoint({
    method: "PUT",
    path: "/v1/projects/:project/attachments",
    summary: `Upload a file to attach, at most ${MAX_ATTACHMENT_BYTES} bytes`,
    scope: "mail:send",
    params: project,
    upload: true,
    bodyLimit: MAX_ATTACHMENT_BYTES,
    response: z.object({ sha256: Sha256, size: z.int(), type: z.string() }),
  }),
  attachment: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/attachments/:sha256",
    summary: "Fetch a file that a message which you see carries",
    scope: "mail:read",
    params: project.extend({ sha256: Sha256 }),
    download: true,
    response: z.string(),
  }),
} as const;
