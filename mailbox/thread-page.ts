import { toTime } from "../contract/ids.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { type Viewer, visible } from "./visibility.ts";

/** A cursor above every message id. */
const NEWEST = "g";

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
  query: Query,
  dialect: Dialect,
  { viewer, after = NEWEST, limit }: ThreadSlice,
) {
  const rows = await threadRows(query, dialect, { viewer, after, limit: limit + 1 });
  const page = rows.slice(0, limit);
  return {
    threads: page.map(({ thread, subject, open, messages, last_at }) => ({
      thread,
      subject,
      open: open === 1,
      messages,
      lastAt: toTime(last_at),
    })),
    next: rows.length > limit ? (page.at(-1)?.last_message ?? null) : null,
  };
}

function threadRows(
  query: Query,
  dialect: Dialect,
  { viewer, after, limit }: Required<ThreadSlice>,
): Promise<ThreadRow[]> {
  const agents = dialect.list("$2");
  return query<ThreadRow>(
    `select s.thread, s.subject, s.open, s.last_message, l.at as last_at,
       case when s.open = 1 then s.messages else
         (select count(*) from p_messages m where m.project = $1 and m.thread = s.thread and ${visible("m", agents)})
       end as messages
     from (
       select * from (
         select thread, subject, 1 as open, messages, last_message from p_threads
         where project = $1 and open = 1 and last_message < $3 order by last_message desc limit $4) o
       union all
       select * from (
         select k.thread, min(k.subject) as subject, 0 as open, 0 as messages, max(k.last_message) as last_message
         from p_thread_members k join p_threads t on t.project = k.project and t.thread = k.thread and t.open = 0
         where k.project = $1 and k.agent in ${agents} and k.last_message < $3
         group by k.thread order by max(k.last_message) desc limit $4) p
     ) s join p_messages l on l.id = s.last_message
     order by s.last_message desc limit $4`,
    [viewer.project, JSON.stringify(viewer.agents), after, limit],
  );
}
