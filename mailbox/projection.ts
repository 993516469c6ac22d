import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { Event, Projection } from "../storage/log.ts";

type Sent = EventBody<"message.sent">;
type Kind = "to" | "cc" | "bcc";

const REGISTER = `insert into p_agents
    (project, folded, name, owner, program, model, task, node, next_seq, registered_at, active_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)
  on conflict (project, folded) do update set program = excluded.program, model = excluded.model,
    task = excluded.task, node = excluded.node, active_at = excluded.active_at`;
const RETIRE = "update p_agents set retired_at = $3 where project = $1 and folded = $2";
const ACTIVE = "update p_agents set active_at = $3 where project = $1 and folded = $2";
const THREAD = `insert into p_threads (project, thread, open, subject, messages, last_message)
  values ($1, $2, $3, $4, 1, $5)
  on conflict (project, thread) do update set messages = p_threads.messages + 1, last_message = excluded.last_message
  returning messages`;
const MEMBER = `insert into p_thread_members (project, thread, agent, subject, last_message)
  values ($1, $2, $3, $4, $5)
  on conflict (project, thread, agent) do update set last_message = excluded.last_message`;
const MESSAGE = `insert into p_messages (id, project, thread, n, reply_to, sender, to_list, cc_list, bcc_list,
    subject, body, importance, ack_required, at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`;
const NEXT_SEQ = `update p_agents set next_seq = next_seq + 1 where project = $1 and folded = $2
  returning next_seq - 1 as seq`;
const DELIVERY =
  "insert into p_deliveries (project, agent, seq, message, kind) values ($1, $2, $3, $4, $5)";
const READ =
  "update p_deliveries set read_at = $3 where message = $1 and agent = $2 and read_at is null";
const ACKED = `update p_deliveries set acked_at = coalesce(acked_at, $3), read_at = coalesce(read_at, $3)
  where message = $1 and agent = $2`;

/** How names are compared: without regard to case. */
export const fold = (name: string): string => name.toLowerCase();

/** Who receives a message, each once: the first of to, cc and bcc that names an agent counts. */
export function recipientsOf({ to, cc, bcc }: Pick<Sent, Kind>): Map<string, Kind> {
  const kinds = new Map<string, Kind>();
  for (const [kind, names] of [
    ["to", to],
    ["cc", cc],
    ["bcc", bcc],
  ] as const)
    for (const name of names) if (!kinds.has(name)) kinds.set(name, kind);
  return kinds;
}

async function register(query: Query, { project, at, body }: Event): Promise<void> {
  const { name, owner, program, model, task, node } = body as EventBody<"agent.registered">;
  await query(REGISTER, [project, fold(name), name, owner, program, model, task, node, at]);
}

async function send(query: Query, event: Event): Promise<void> {
  const { project, at } = event;
  const sent = event.body as Sent;
  const thread = [project, sent.thread];
  const [row] = await query<{ messages: number }>(THREAD, [
    ...thread,
    sent.open === true,
    sent.subject,
    sent.id,
  ]);
  await query(MESSAGE, [
    sent.id,
    ...thread,
    row?.messages,
    sent.replyTo,
    sent.from,
    ...[sent.to, sent.cc, sent.bcc].map((list) => JSON.stringify(list)),
    sent.subject,
    sent.body,
    sent.importance,
    sent.ackRequired,
    at,
  ]);
  const recipients = recipientsOf(sent);
  for (const [agent, kind] of recipients) {
    const [place] = await query<{ seq: number }>(NEXT_SEQ, [project, fold(agent)]);
    await query(DELIVERY, [project, agent, place?.seq, sent.id, kind]);
    await query(MEMBER, [...thread, agent, sent.subject, sent.id]);
  }
  if (!recipients.has(sent.from))
    await query(MEMBER, [...thread, sent.from, sent.subject, sent.id]);
}

async function mark(statement: string, query: Query, { project, at, body }: Event): Promise<void> {
  const { agent, message } = body as EventBody<"message.read">;
  await query(statement, [message, agent, at]);
  await query(ACTIVE, [project, fold(agent), at]);
}

/** Agents, threads, messages and inboxes. */
export const mailboxProjection: Projection = {
  name: "mailbox",
  tables: ["p_agents", "p_threads", "p_thread_members", "p_messages", "p_deliveries"],
  apply: {
    "agent.registered": register,
    "agent.retired": async (query, { project, at, body }) => {
      await query(RETIRE, [project, fold((body as EventBody<"agent.retired">).name), at]);
    },
    "agent.unretired": async (query, { project, body }) => {
      await query(RETIRE, [project, fold((body as EventBody<"agent.unretired">).name), null]);
    },
    "message.sent": send,
    "message.read": (query, event) => mark(READ, query, event),
    "message.acked": (query, event) => mark(ACKED, query, event),
  },
};
