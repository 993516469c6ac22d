import type { Handlers } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { type Viewer, viewerOf, visible } from "./visibility.ts";

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

interface EntryRow {
  readonly id: string;
  readonly n: number;
  readonly sender: string;
  readonly subject: string;
  readonly body: string;
  readonly at: number;
}

interface Slice {
  readonly viewer: Viewer;
  readonly after: string;
  readonly limit: number;
}

/** Threads by their newest visible message, newest first. */
function threadPage(query: Query, dialect: Dialect, { viewer, after, limit }: Slice) {
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
         group by k.thread order by last_message desc limit $4) p
     ) s join p_messages l on l.id = s.last_message
     order by s.last_message desc limit $4`,
    [viewer.project, JSON.stringify(viewer.agents), after, limit],
  );
}

type ThreadHandlers = Pick<Handlers<typeof mailbox>, "threads" | "thread">;

/** The handlers about threads. */
export function threadHandlers(log: EventLog): ThreadHandlers {
  const { dialect } = log.db;
  return {
    threads: async ({ params: { project }, query: { after = NEWEST, limit }, principal }) => {
      const viewer = await viewerOf(log.query, principal, project);
      const rows = await threadPage(log.query, dialect, { viewer, after, limit: limit + 1 });
      const page = rows.slice(0, limit);
      return {
        threads: page.map((row) => ({
          thread: row.thread,
          subject: row.subject,
          open: row.open === 1,
          messages: row.messages,
          lastAt: toTime(row.last_at),
        })),
        next: rows.length > limit ? (page.at(-1)?.last_message ?? null) : null,
      };
    },
    thread: async ({ params: { project, thread }, query: { after, limit }, principal }) => {
      const viewer = await viewerOf(log.query, principal, project);
      const open = await threadState(log.query, dialect, { viewer, thread });
      const rows = await log.query<EntryRow>(
        `select m.id, m.n, m.sender, m.subject, m.body, m.at from p_messages m
         where m.project = $1 and m.thread = $2 and m.n > $3 and ${visible("m", dialect.list("$4"))}
         order by m.n limit $5`,
        [project, thread, place(after), JSON.stringify(viewer.agents), limit + 1],
      );
      const page = rows.slice(0, limit);
      return {
        thread,
        open,
        messages: page.map(({ id, sender, subject, body, at }) => ({
          id,
          from: sender,
          subject,
          body,
          sentAt: toTime(at),
        })),
        next: rows.length > limit ? String(page.at(-1)?.n) : null,
      };
    },
  };
}

/** @throws ProblemError NOT_FOUND, the same for a private thread of others as for none */
async function threadState(
  query: Query,
  dialect: Dialect,
  { viewer, thread }: { readonly viewer: Viewer; readonly thread: string },
): Promise<boolean> {
  const [row] = await query<{ open: number }>(
    `select t.open from p_threads t where t.project = $1 and t.thread = $2 and (t.open = 1 or exists (
       select 1 from p_thread_members k where k.project = t.project and k.thread = t.thread
       and k.agent in ${dialect.list("$3")}))`,
    [viewer.project, thread, JSON.stringify(viewer.agents)],
  );
  if (row !== undefined) return row.open === 1;
  throw new ProblemError("NOT_FOUND", `no thread ${thread} that you can see`, {
    details: [{ thread }],
    next: "list your threads: gridpost thread",
  });
}

function place(after: string | undefined): number {
  if (after === undefined) return 0;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new ProblemError("BAD_REQUEST", `after=${after} is no cursor of a thread`, {
    next: "use the next of a page of this same thread",
  });
}
