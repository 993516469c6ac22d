import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { Apply, Event } from "../storage/log.ts";
import { applies } from "./apply-agents.ts";
import { endLone, FIRST_PLACE, startsLone } from "./lone-threads.ts";
import { fold } from "./names.ts";
import { isBroadcast, type Kind, recipientsOf } from "./recipients.ts";

type Sent = EventBody<"message.sent">;

/** To the minute: most sends then write no row of their sender. */
const ACTIVE = `update p_agents set active_at = $3
  where project = $1 and folded = $2 and active_at <= $3 - 60000`;
const THREAD = `insert into p_threads (project, thread, open, subject, messages, last_n, last_message)
  values ($1, $2, $3, $4, 1, ${FIRST_PLACE}, $5)
  on conflict (project, thread) do update
    set messages = p_threads.messages + 1, last_n = p_threads.last_n + 1, last_message = excluded.last_message
  returning last_n`;
const MEMBERS =
  "insert into p_thread_members (project, thread, agent, subject, messages, last_message)";
/** A message to all may be delivered after a newer one of its thread. */
const SEEN = `
  on conflict (project, thread, agent) do update set messages = p_thread_members.messages + 1,
    last_message = case when excluded.last_message > p_thread_members.last_message
      then excluded.last_message else p_thread_members.last_message end`;
const MEMBER = `${MEMBERS} values ($1, $2, $5, $3, 1, $4) ${SEEN}`;
/** A sender and its one recipient: nearly every message has no more. */
const TWO_MEMBERS = `${MEMBERS} values ($1, $2, $5, $3, 1, $4), ($1, $2, $6, $3, 1, $4) ${SEEN}`;
const MESSAGE = `insert into p_messages (id, project, thread, n, reply_to, sender, to_list, cc_list, bcc_list,
    subject, body, importance, ack_required, ack_within, expires_after, payload, pending, at)
  values ($1, $2, $3, coalesce($4, ${FIRST_PLACE}), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`;
const ATTACHMENT = `insert into p_attachments (message, n, project, sha256, name, size, type)
  values ($1, $2, $3, $4, $5, $6, $7)`;
/** Two statements that return nothing take less time than one that does, and the other. */
const DELIVERY = `insert into p_deliveries (project, agent, seq, message, kind, urgent, ack_within, expires_after, at)
  values ($1, $2, (select next_seq from p_agents where project = $1 and folded = $3), $4, $5, $6, $7, $8, $9)`;
const TAKE_PLACE = "update p_agents set next_seq = next_seq + 1 where project = $1 and folded = $2";
const SKIP = "insert into p_skipped (message, agent, reason) values ($1, $2, $3)";
const SETTLED = "update p_messages set pending = 0 where id = $1";
const BROADCAST = `select project, thread, subject, importance, ack_within, expires_after
  from p_messages where id = $1`;
const READ =
  "update p_deliveries set read_at = $3 where message = $1 and agent = $2 and read_at is null";
const ACKED = `update p_deliveries set acked_at = coalesce(acked_at, $3), read_at = coalesce(read_at, $3),
    ack_within = null
  where message = $1 and agent = $2`;
const FOLLOW = `insert into p_followers (project, thread, agent, state) values ($1, $2, $3, $4)
  on conflict (project, thread, agent) do update set state = excluded.state`;
const UNFOLLOW = "delete from p_followers where project = $1 and thread = $2 and agent = $3";
const NOTICE = `insert into p_notices (project, thread, notice, at) values ($1, $2, $3, $4)
  on conflict (project, thread, notice) do update set at = excluded.at`;
const UPLOAD = `insert into p_uploads (project, sha256, owner, size, type, at)
  values ($1, $2, $3, $4, $5, $6) on conflict (project, sha256, owner) do nothing`;

/** What of a message the inboxes hold. */
interface Delivered {
  readonly project: string | null;
  readonly id: string;
  readonly thread: string;
  readonly subject: string;
  readonly importance: string;
  readonly ackWithin: number | null;
  readonly expiresAfter: number | null;
  readonly at: number;
}

async function deliver(query: Query, message: Delivered, to: [agent: string, kind: Kind]) {
  const { project, id, importance, ackWithin, expiresAfter, at } = message;
  const [agent, kind] = to;
  const urgent = importance === "high" || importance === "urgent";
  const folded = fold(agent);
  const values = [project, agent, folded, id, kind, urgent, ackWithin, expiresAfter, at];
  await query(DELIVERY, values);
  await query(TAKE_PLACE, [project, folded]);
}

/** Records who is in the thread, and what they saw of it last. */
async function join(query: Query, message: Delivered, agents: readonly string[]): Promise<void> {
  const { project, thread, subject, id } = message;
  const shared = [project, thread, subject, id];
  if (agents.length === 2) await query(TWO_MEMBERS, [...shared, ...agents]);
  else for (const agent of agents) await query(MEMBER, [...shared, agent]);
}

/** Counts a message in the rows of its thread; answers its place there. */
async function enter(query: Query, { project, body }: Event<string, Sent>): Promise<number | null> {
  const { id, thread, open, subject } = body;
  if (open === null) await endLone(query, project, thread);
  const values = [project, thread, open === true, subject, id];
  const [row] = await query<{ last_n: number }>(THREAD, values);
  return row?.last_n ?? null;
}

async function send(query: Query, event: Event<string, Sent>): Promise<void> {
  const { project, at, body } = event;
  const { id, thread, from, subject, importance } = body;
  const lone = startsLone(body);
  const { ackWithinMs: ackWithin = null, expiresAfterMs: expiresAfter = null } = body;
  await query(MESSAGE, [
    id,
    project,
    thread,
    lone ? null : await enter(query, event),
    body.replyTo,
    from,
    JSON.stringify(body.to),
    JSON.stringify(body.cc),
    JSON.stringify(body.bcc),
    subject,
    body.body,
    importance,
    body.ackRequired,
    ackWithin,
    expiresAfter,
    body.payload === undefined ? null : JSON.stringify(body.payload),
    isBroadcast(body),
    at,
  ]);
  const message = { project, id, thread, subject, importance, ackWithin, expiresAfter, at };
  const recipients = recipientsOf(body);
  for (const recipient of recipients) await deliver(query, message, recipient);
  if (!lone) await join(query, message, [...new Set([...recipients.keys(), from])]);
  await query(ACTIVE, [project, fold(from), at]);
  for (const { agent, reason } of body.skipped ?? []) await query(SKIP, [id, agent, reason]);
  for (const [n, { sha256, name, size, type }] of (body.attachments ?? []).entries())
    await query(ATTACHMENT, [id, n, project, sha256, name, size, type]);
  if (body.notice !== undefined) await query(NOTICE, [project, thread, body.notice, at]);
}

interface BroadcastRow {
  readonly project: string;
  readonly thread: string;
  readonly subject: string;
  readonly importance: string;
  readonly ack_within: number | null;
  readonly expires_after: number | null;
}

const delivered = applies("message.delivered", async (query, { at, body }) => {
  const { message: id, agents, skipped, done } = body;
  const [row] = await query<BroadcastRow>(BROADCAST, [id]);
  if (row === undefined) return;
  const { ack_within: ackWithin, expires_after: expiresAfter, ...rest } = row;
  const message = { ...rest, id, at, ackWithin, expiresAfter };
  for (const agent of agents) await deliver(query, message, [agent, "to"]);
  await join(query, message, agents);
  for (const { agent, reason } of skipped) await query(SKIP, [id, agent, reason]);
  if (done) await query(SETTLED, [id]);
});

async function mark(statement: string, query: Query, event: Event): Promise<void> {
  const { agent, message } = event.body as EventBody<"message.read">;
  await query(statement, [message, agent, event.at]);
  await query(ACTIVE, [event.project, fold(agent), event.at]);
}

/** How events about messages, threads and attachments change the projections. */
export const messagesApply: Readonly<Record<string, Apply>> = {
  "message.sent": applies("message.sent", send),
  "message.delivered": delivered,
  "message.read": (query, event) => mark(READ, query, event),
  "message.acked": (query, event) => mark(ACKED, query, event),
  // A reminder changes no state: what is overdue shows from the deadline that each delivery holds.
  "ack.overdue": () => Promise.resolve(),
  "thread.followed": applies("thread.followed", async (query, { project, body }) => {
    const { thread, agent, state } = body;
    if (state === "none") await query(UNFOLLOW, [project, thread, agent]);
    else await query(FOLLOW, [project, thread, agent, state]);
  }),
  "attachment.uploaded": applies("attachment.uploaded", async (query, { project, at, body }) => {
    await query(UPLOAD, [project, body.sha256, body.by, body.size, body.type, at]);
  }),
};
