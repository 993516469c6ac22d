import { EPOCH_GAP } from "../contract/epoch.ts";
import type { EventBody } from "../contract/events/index.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { isBroadcast } from "./recipients.ts";
import { type Viewer, visible } from "./visibility.ts";

type Sent = EventBody<"message.sent">;

/**
 * A thread is lone while it is private and has only the message that it is named by, as most have: all there is to know
 * of it is in `p_messages` and `p_deliveries`, and a send writes no rows of threads. Its second message makes them.
 */
export const startsLone = (sent: Pick<Sent, "id" | "thread" | "open" | "to">): boolean =>
  sent.open === false && sent.thread === sent.id && !isBroadcast(sent);

/** The first place of a thread. One that is new after a restore may be one that was lost: its places begin in the new epoch too. */
export const FIRST_PLACE = `1 + ${EPOCH_GAP} * (select count(*) from p_epochs)`;

const NAMING = "m.id = $2 and m.thread = m.id and m.project = $1";
/** Whether a row of `p_messages` is that of the lone thread $2 of the project $1. */
export const isLone = (
  m: string,
): string => `(${m}.id = $2 and ${m}.thread = ${m}.id and ${m}.project = $1
  and not exists (select 1 from p_threads lt where lt.project = $1 and lt.thread = $2))`;
const BEGIN = `insert into p_threads (project, thread, open, subject, messages, last_n, last_message)
  select m.project, m.thread, 0, m.subject, 1, ${FIRST_PLACE}, m.id from p_messages m where ${NAMING}
  on conflict (project, thread) do nothing returning 1 as begun`;
const MEMBERS = `insert into p_thread_members (project, thread, agent, subject, messages, last_message)
  select m.project, m.thread, k.agent, m.subject, 1, m.id
  from p_messages m, (select sender as agent from p_messages where id = $2
    union select agent from p_deliveries where message = $2) k
  where ${NAMING}`;
/** Makes the rows of a thread that may be lone: before its second message. */
export async function endLone(query: Query, project: string | null, thread: string): Promise<void> {
  const begun = await query(BEGIN, [project, thread]);
  if (begun.length > 0) await query(MEMBERS, [project, thread]);
}

/** Whether the viewer is in a lone thread; undefined if there is no such thread. */
export async function inLone(
  query: Query,
  dialect: Dialect,
  { viewer: { project, agents }, thread }: { readonly viewer: Viewer; readonly thread: string },
): Promise<boolean | undefined> {
  const [row] = await query<{ member: number }>(
    `select ${visible("m", dialect.list("$3"))} as member from p_messages m where ${isLone("m")}`,
    [project, thread, JSON.stringify(agents)],
  );
  return row && row.member === 1;
}
