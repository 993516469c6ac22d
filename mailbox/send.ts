import type { z } from "zod";
import type { EventBody } from "../contract/events/index.ts";
import type { MessageId } from "../contract/ids.ts";
import type { Sent as SentView } from "../contract/mail/messages.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import type { Room } from "../storage/room.ts";
import { type Addressed, admit, type Admitted } from "./admit.ts";
import { type Attach, attachable } from "./attachable.ts";
import { takeInboxes } from "./backlog.ts";
import { countOthers } from "./contact-rules.ts";
import { inLone } from "./lone-threads.ts";
import { EVERYBODY, recipientsOf } from "./recipients.ts";

type Event = EventBody<"message.sent">;
type Sent = z.input<typeof SentView>;

/** A message before it is admitted. */
export interface Draft
  extends
    Addressed,
    Pick<Event, "subject" | "body" | "importance" | "ackRequired" | "ackWithinMs"> {
  readonly actor: string;
  /** The principals whose uploads may be attached. */
  readonly uploaders: readonly string[];
  /** undefined: a new thread, named by the message. */
  readonly thread: string | undefined;
  /** Whether a new thread is open. */
  readonly open: boolean;
  readonly replyTo: string | null;
  readonly expiresAfterMs: number | undefined;
  readonly payload: Event["payload"];
  readonly attachments: readonly Attach[];
}

/** The kind of deadline that an acknowledgement has; its subject is the message. */
export const ACK_DEADLINE = "mail.ack";

const THREAD = `select t.open, exists (select 1 from p_thread_members k
    where k.project = t.project and k.thread = t.thread and k.agent = $3) as member
  from p_threads t where t.project = $1 and t.thread = $2`;
const SENT = "select thread, pending, project, sender from p_messages where id = $1";
const PLACES = "select agent, seq from p_deliveries where message = $1 order by agent limit 1000";
const SKIPPED = "select agent, reason from p_skipped where message = $1 order by agent limit 1000";

export interface SendDeps {
  readonly dialect: Dialect;
  /** For the unread messages of each inbox. */
  readonly room: Room;
}

/**
 * Admits a message and appends it, in the caller's transaction. Refuses before it writes: a transaction that throws after
 * that costs those that share its commit.
 * @throws ProblemError as `admit` and `takeInboxes`; THREAD_TAKEN, CONFLICT, NOT_FOUND for an attachment, BAD_REQUEST without recipients
 */
export async function sendMessage(
  tx: LogTx,
  { dialect, room }: SendDeps,
  { id, draft }: { readonly id: string; readonly draft: Draft },
): Promise<Sent> {
  const { project, actor, ackWithinMs } = draft;
  const welcome = await admit(tx.query, draft);
  const { thread, open } = await threadOf(tx.query, dialect, { id, draft });
  const attachments = await attachable(tx.query, dialect, draft);
  const admitted = await takeInboxes(tx.query, room, { addressed: draft, admitted: welcome });
  const body = eventOf({ id, thread, open, draft }, admitted, attachments);
  await tx.append({ type: "message.sent", project, actor, body });
  if (ackWithinMs !== undefined) await tx.setDeadline(ACK_DEADLINE, id, tx.now + ackWithinMs);
  const recipients = [...recipientsOf(body).keys()]
    .toSorted()
    .map((agent) => ({ agent, seq: admitted.places.get(agent) ?? 0 }));
  const skipped = admitted.skipped.length > 0 ? admitted.skipped : undefined;
  const answer = { id, thread, recipients, skipped };
  return body.to.includes(EVERYBODY)
    ? { ...answer, count: await countOthers(tx.query, project, body.from) }
    : answer;
}

/** The answer to a repeated call: the same as to the first, but that more may have been delivered of one to @all. */
export async function sentReply(query: Query, id: string): Promise<Sent> {
  const [row] = await query<{ thread: string; pending: number; project: string; sender: string }>(
    SENT,
    [id],
  );
  const recipients = await query<{ agent: string; seq: number }>(PLACES, [id]);
  const skipped = await query<NonNullable<Sent["skipped"]>[number]>(SKIPPED, [id]);
  const answer = { id, thread: row?.thread ?? id, recipients };
  return {
    ...answer,
    ...(skipped.length > 0 ? { skipped } : {}),
    ...(row?.pending === 1 ? { count: await countOthers(query, row.project, row.sender) } : {}),
  };
}

interface Opening {
  readonly id: string;
  readonly thread: string;
  readonly open: boolean | null;
  readonly draft: Draft;
}

function eventOf(
  { id, thread, open, draft }: Opening,
  { from, to, cc, bcc, groups, skipped }: Admitted,
  attachments: NonNullable<Event["attachments"]>,
): Event {
  return {
    id: id as MessageId,
    thread,
    open,
    replyTo: draft.replyTo as MessageId | null,
    from,
    to,
    cc,
    bcc,
    // Left out of the stored text where undefined; a spread of what may be nothing costs ten times as much.
    groups: groups.length > 0 ? groups : undefined,
    skipped: skipped.length > 0 ? skipped : undefined,
    subject: draft.subject,
    body: draft.body,
    importance: draft.importance,
    ackRequired: draft.ackRequired || draft.ackWithinMs !== undefined,
    ackWithinMs: draft.ackWithinMs,
    expiresAfterMs: draft.expiresAfterMs,
    payload: draft.payload,
    attachments: attachments.length > 0 ? attachments : undefined,
  };
}

/** The thread of a message, and whether the message opens it (true: for every reader of the project); null: it exists. */
async function threadOf(
  query: Query,
  dialect: Dialect,
  { id, draft }: { readonly id: string; readonly draft: Draft },
): Promise<{ thread: string; open: boolean | null }> {
  const { project, from, thread, open, replyTo } = draft;
  if (thread === undefined) return { thread: id, open };
  const [row] = await query<{ open: number; member: number }>(THREAD, [project, thread, from]);
  if (row?.open === 1) return { thread, open: null };
  const viewer = { project, agents: [from] };
  const member = row ? row.member === 1 : await inLone(query, dialect, { viewer, thread });
  if (member === undefined) return { thread, open };
  if (!member) throw taken(thread);
  if (open) throw staysPrivate(thread);
  const alone = draft.to.length + draft.cc.length + draft.bcc.length === 0;
  if (alone && replyTo !== null) throw nobody();
  return { thread, open: null };
}

const taken = (thread: string): ProblemError =>
  new ProblemError("THREAD_TAKEN", `the thread id ${thread} is in use by others`, {
    details: [{ thread }],
    next: "choose another thread id, or leave it out to start a new thread",
  });

const staysPrivate = (thread: string): ProblemError =>
  new ProblemError("CONFLICT", `the thread ${thread} exists and is private`, {
    details: [{ thread }],
    next: "leave out open, or start a new open thread under another id",
  });

const nobody = (): ProblemError =>
  new ProblemError("BAD_REQUEST", "there is nobody to reply to", {
    next: "send a message to the agent that you mean",
  });
