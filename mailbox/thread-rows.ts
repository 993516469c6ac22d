import { MessageId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { isLone } from "./lone-threads.ts";
import { type Viewer, visible } from "./visibility.ts";

/** A message of a thread. */
export interface ThreadMessage {
  readonly id: string;
  readonly sender: string;
  readonly to_list: string;
  readonly cc_list: string;
  readonly subject: string;
  readonly body: string;
  readonly payload: string | null;
  readonly at: number;
}

/** What a viewer looks at. */
export interface ThreadView {
  readonly viewer: Viewer;
  readonly thread: string;
}

export interface Slice {
  /** Only messages with a higher place; with `newest` a lower one. */
  readonly after: number;
  readonly limit: number;
  readonly newest?: boolean;
  /** Cuts long bodies. */
  readonly brief?: boolean;
}

const BRIEF_CHARS = 32_768;

/** The messages of a thread that the viewer sees, oldest first or newest first. */
export function threadMessages(
  query: Query,
  dialect: Dialect,
  { viewer, thread, after, limit, newest = false, brief = false }: ThreadView & Slice,
): Promise<ThreadMessage[]> {
  return query<ThreadMessage>(
    `select m.id, m.sender, m.to_list, m.cc_list, m.subject, ${brief ? `substr(m.body, 1, ${BRIEF_CHARS}) as body` : "m.body"}, m.payload, m.at
     from p_messages m
     where m.project = $1 and m.thread = $2 and m.n ${newest ? "<" : ">"} $3
       and ${visible("m", dialect.list("$4"))}
     order by m.n ${newest ? "desc" : "asc"} limit $5`,
    [viewer.project, thread, after, JSON.stringify(viewer.agents), limit],
  );
}

/** A thread that a viewer sees something of. */
export interface SeenThread {
  readonly open: boolean;
  /** All that it has, which is what everybody sees of an open one. */
  readonly messages: number;
}

/** @throws ProblemError NOT_FOUND, the same for a private thread of others as for none */
export async function seeThread(
  query: Query,
  dialect: Dialect,
  { viewer, thread }: ThreadView,
): Promise<SeenThread> {
  const [row] = await query<{ open: number; messages: number }>(
    `select t.open, t.messages from p_threads t
     where t.project = $1 and t.thread = $2 and (t.open = 1 or exists (
       select 1 from p_thread_members k where k.project = t.project and k.thread = t.thread
       and k.agent in ${dialect.list("$3")}))
     union all select 0 as open, 1 as messages from p_messages m
     where ${isLone("m")} and ${visible("m", dialect.list("$3"))}`,
    [viewer.project, thread, JSON.stringify(viewer.agents)],
  );
  if (row !== undefined) return { open: row.open === 1, messages: row.messages };
  throw new ProblemError("NOT_FOUND", `no thread ${thread} that you can see`, {
    details: [{ thread }],
    next: "list your threads: gridpost thread",
  });
}

/** How many messages of a thread the viewer sees: of a private one, where one agent sees it, what the agent's row has counted. */
export async function countSeen(
  query: Query,
  dialect: Dialect,
  { viewer: { project, agents }, thread, open, messages }: ThreadView & SeenThread,
): Promise<number> {
  if (open) return messages;
  const values = [project, thread, JSON.stringify(agents)];
  const members = await query<{ messages: number }>(
    `select messages from p_thread_members
     where project = $1 and thread = $2 and agent in ${dialect.list("$3")}`,
    values,
  );
  const [only] = members;
  if (members.length === 1 && only !== undefined) return only.messages;
  const [row] = await query<{ count: number }>(
    `select count(*) as count from p_messages m
     where m.project = $1 and m.thread = $2 and ${visible("m", dialect.list("$3"))}`,
    values,
  );
  return row?.count ?? 0;
}

/**
 * The place in the thread of the message that a cursor names; 0 without one. The place itself is nobody's to know: it
 * counts messages that the viewer does not see. A message that is not there, as after a restore, leads to where it would
 * be by its id, and so does one that the viewer does not see.
 * @throws ProblemError BAD_REQUEST
 */
export async function placeOf(
  query: Query,
  dialect: Dialect,
  { viewer, thread, after }: ThreadView & { readonly after: string | undefined },
): Promise<number> {
  if (after === undefined) return 0;
  if (!MessageId.safeParse(after).success) throw noCursor(after);
  const seen = `from p_messages m
    where m.project = $1 and m.thread = $2 and ${visible("m", dialect.list("$3"))}`;
  const values = [viewer.project, thread, JSON.stringify(viewer.agents), after];
  const [exact] = await query<{ n: number }>(`select m.n ${seen} and m.id = $4`, values);
  if (exact !== undefined) return exact.n;
  const [near] = await query<{ n: number | null }>(
    `select max(m.n) as n ${seen} and m.id < $4`,
    values,
  );
  return near?.n ?? 0;
}

const noCursor = (after: string): ProblemError =>
  new ProblemError("BAD_REQUEST", `after=${after} is no cursor of a thread`, {
    next: "use the next of a page of this same thread",
  });
