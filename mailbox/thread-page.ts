import { MessageId, toTime } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect } from "../storage/db.ts";
import type { SearchDeps } from "./search.ts";
import { countSeen } from "./thread-rows.ts";
import type { Viewer } from "./visibility.ts";

/** A cursor above every message id. */
const NEWEST = "g";
const OPEN = `select t.thread, t.subject, 1 as open, t.messages, t.last_message, l.at as last_at
  from p_threads t join p_messages l on l.id = t.last_message
  where t.project = $1 and t.open = 1 and t.last_message < $2
  order by t.last_message desc limit $3`;

interface ThreadRow {
  readonly thread: string;
  readonly subject: string;
  readonly open: number;
  readonly messages: number;
  readonly last_message: string;
  readonly last_at: number;
}

export interface ThreadSlice {
  readonly viewer: Viewer;
  /** The `next` of the page before. */
  readonly after: string | undefined;
  readonly limit: number;
}

/** Threads that the viewer sees by their newest visible message, newest first. */
export async function threadPage(
  { log, search }: SearchDeps,
  { viewer, after = NEWEST, limit }: ThreadSlice,
) {
  if (after !== NEWEST && !MessageId.safeParse(after).success) throw noCursor(after);
  const { query } = log;
  const { dialect } = log.db;
  const { project, agents } = viewer;
  const rows = await query<ThreadRow>(OPEN, [project, after, limit + 1]);
  // One by one, so that each comes from the index in order however many threads the agents are in.
  for (const agent of agents) {
    const values = [project, agent, after, limit + 1, JSON.stringify(agents)];
    rows.push(...(await search.query<ThreadRow>(privateThreads(dialect), values)));
  }
  const newest = rows.toSorted((a, b) => (a.last_message < b.last_message ? 1 : -1));
  const page = newest.slice(0, limit);
  const threads = [];
  for (const row of page) {
    const { thread, subject, messages } = row;
    const open = row.open === 1;
    threads.push({
      thread,
      subject,
      open,
      messages: await countSeen(query, dialect, { viewer, thread, open, messages }),
      lastAt: toTime(row.last_at),
    });
  }
  return { threads, next: newest.length > limit ? (page.at(-1)?.last_message ?? null) : null };
}

const noCursor = (after: string): ProblemError =>
  new ProblemError("BAD_REQUEST", `after=${after} is no cursor of the list of threads`, {
    next: "use the next of a page of this same list",
  });

/** The private threads of one agent; one that another of the viewer's agents saw more of is left to that agent. */
const privateThreads = (dialect: Dialect): string =>
  `select k.thread, coalesce(s.subject, l.subject) as subject, 0 as open, 0 as messages, k.last_message, l.at as last_at
   from thread_members k
     join p_messages l on l.id = k.last_message
     left join p_thread_members s on s.project = k.project and s.thread = k.thread and s.agent = k.agent
     left join p_threads t on t.project = k.project and t.thread = k.thread
   where k.project = $1 and k.agent = $2 and k.last_message < $3 and coalesce(t.open, 0) = 0
     and not exists (select 1 from thread_members o
       where o.project = k.project and o.thread = k.thread and o.agent in ${dialect.list("$5")}
         and (o.last_message > k.last_message or (o.last_message = k.last_message and o.agent < k.agent)))
   order by k.last_message desc limit $4`;
