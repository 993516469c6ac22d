import { z } from "zod";
import { MessageId, Name, Sha256, ThreadId } from "../ids.ts";

/** How much a message matters, as its sender says; `inbox --urgent` shows the two upper ones. */
export const Importance = z.enum(["low", "normal", "high", "urgent"]);

/** How a recipient is addressed; `bcc` is seen by the sender and that recipient only. */
export const RecipientKind = z.enum(["to", "cc", "bcc"]);
/** Who may write to an agent: everybody; approved contacts, and whoever answers what it wrote; nobody. */
export const ContactPolicy = z.enum(["open", "contacts", "closed"]);
/** A file that a message carries; its bytes are a blob. */
export const Attachment = z.object({
  sha256: Sha256,
  name: z.string(),
  size: z.int(),
  /** Media type by its content, not by its name. */
  type: z.string(),
});
/** A member of a group, of `@all`, or of a thread, whom a message does not reach, and why. */
export const Skipped = z.object({ agent: Name, reason: z.enum(["retired", "policy", "full"]) });

/** Bodies of the mailbox's events, by type; version 1 of each. */
export const mailboxEvents = {
  "agent.registered": z.object({
    name: Name,
    /** The principal that owns the agent: `user:anna`, or the agent itself when an operator let it join. */
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
    /** As addressed: names of agents, `@group`, `@all`. */
    to: z.array(z.string()),
    cc: z.array(z.string()),
    bcc: z.array(z.string()),
    /** The members of the groups at the time of sending, less those that are skipped. */
    groups: z
      .array(z.object({ name: Name, kind: RecipientKind, members: z.array(Name) }))
      .optional(),
    skipped: z.array(Skipped).optional(),
    subject: z.string(),
    body: z.string(),
    importance: Importance,
    ackRequired: z.boolean(),
    ackWithinMs: z.int().optional(),
    expiresAfterMs: z.int().optional(),
    payload: z.object({ kind: z.string(), data: z.record(z.string(), z.unknown()) }).optional(),
    attachments: z.array(Attachment).optional(),
    /** What the server tells the followers of the thread with it, such as `end:SWEEP`: each name is told once, or not too often. */
    notice: z.string().optional(),
  }),
  /** A message to `@all` reached these agents; several such events, the last one with `done`. */
  "message.delivered": z.object({
    message: MessageId,
    agents: z.array(Name),
    skipped: z.array(Skipped),
    done: z.boolean(),
  }),
  "message.read": z.object({ agent: Name, message: MessageId }),
  "message.acked": z.object({ agent: Name, message: MessageId }),
  /** The deadline of a message passed while these recipients had not acknowledged it; once per message. */
  "ack.overdue": z.object({ message: MessageId, agents: z.array(Name) }),
  "agent.policy_set": z.object({ name: Name, policy: ContactPolicy }),
  /** `peer` asks `agent` to let it write. */
  "contact.requested": z.object({
    agent: Name,
    peer: Name,
    reason: z.string().nullable(),
    ttlMs: z.int(),
  }),
  "contact.answered": z.object({
    agent: Name,
    peer: Name,
    accepted: z.boolean(),
    /** null: without end. */
    ttlMs: z.int().nullable(),
  }),
  "group.created": z.object({ name: Name, owner: z.string(), members: z.array(Name) }),
  "group.changed": z.object({ name: Name, added: z.array(Name), removed: z.array(Name) }),
  "thread.followed": z.object({
    thread: ThreadId,
    agent: Name,
    state: z.enum(["follow", "mute", "none"]),
  }),
  /** A file was uploaded by this principal, which may attach it. */
  "attachment.uploaded": z.object({
    sha256: Sha256,
    size: z.int(),
    type: z.string(),
    by: z.string(),
  }),
} as const;
