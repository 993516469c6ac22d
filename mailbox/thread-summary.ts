import { toTime } from "../contract/ids.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { LIVE } from "./inbox.ts";
import { namesIn } from "./read-message.ts";
import { threadMessages, type ThreadMessage, type ThreadView } from "./thread-rows.ts";
import { visible } from "./visibility.ts";

/** How many of the newest messages participants and unread counts are taken from. */
const NEWEST = 1_000;
const FOLLOWING = `select state from p_followers where project = $1 and thread = $2 and agent = $3`;
/** Every reader of the project sees all of an open thread, which its row has counted. */
const OPEN_TOTALS = `select t.messages, f.at as first_at, l.at as last_at from p_threads t
    join p_messages f on f.project = t.project and f.thread = t.thread
      and f.n = (select min(n) from p_messages where project = $1 and thread = $2)
    join p_messages l on l.project = t.project and l.thread = t.thread
      and l.n = (select max(n) from p_messages where project = $1 and thread = $2)
  where t.project = $1 and t.thread = $2 and t.open = 1`;

interface Totals {
  readonly messages: number;
  readonly first_at: number;
  readonly last_at: number;
}

/** What a viewer is told about a thread before its messages. */
export async function threadSummary(query: Query, dialect: Dialect, view: ThreadView) {
  const { viewer, thread } = view;
  const { messages, first_at, last_at } = await totals(query, dialect, view);
  const newest = { ...view, after: Number.MAX_SAFE_INTEGER, limit: NEWEST, newest: true };
  const rows = await participantRows(query, dialect, newest);
  const [first] = await threadMessages(query, dialect, { ...view, after: 0, limit: 1 });
  const [agent] = viewer.agents;
  const [followed] =
    viewer.agents.length === 1
      ? await query<{ state: "follow" | "mute" }>(FOLLOWING, [viewer.project, thread, agent])
      : [];
  return {
    subject: first?.subject ?? "",
    following: followed?.state ?? null,
    participants: participants(rows),
    messages,
    unread: await unread(query, dialect, { ...view, after: rows.at(-1)?.n ?? 0 }),
    firstAt: toTime(first_at),
    lastAt: toTime(last_at),
  };
}

/** Senders and named recipients, in the order of their names. */
export function participants(
  rows: readonly Pick<ThreadMessage, "sender" | "to_list" | "cc_list">[],
): string[] {
  const names = new Set<string>();
  for (const { sender, to_list, cc_list } of rows)
    for (const name of [sender, ...namesIn(to_list), ...namesIn(cc_list)])
      if (!name.startsWith("@")) names.add(name);
  return [...names].toSorted();
}

type ParticipantRow = Pick<ThreadMessage, "sender" | "to_list" | "cc_list"> & {
  readonly n: number;
};

const participantRows = (
  query: Query,
  dialect: Dialect,
  { viewer, thread, limit }: ThreadView & { readonly limit: number },
): Promise<ParticipantRow[]> =>
  query(
    `select m.n, m.sender, m.to_list, m.cc_list from p_messages m
     where m.project = $1 and m.thread = $2 and ${visible("m", dialect.list("$3"))}
     order by m.n desc limit $4`,
    [viewer.project, thread, JSON.stringify(viewer.agents), limit],
  );

async function totals(
  query: Query,
  dialect: Dialect,
  { viewer, thread }: ThreadView,
): Promise<Totals> {
  const [open] = await query<Totals>(OPEN_TOTALS, [viewer.project, thread]);
  if (open !== undefined) return open;
  const [row] = await query<Totals>(
    `select count(*) as messages, coalesce(min(m.at), 0) as first_at, coalesce(max(m.at), 0) as last_at
     from p_messages m where m.project = $1 and m.thread = $2 and ${visible("m", dialect.list("$3"))}`,
    [viewer.project, thread, JSON.stringify(viewer.agents)],
  );
  return row ?? { messages: 0, first_at: 0, last_at: 0 };
}

async function unread(
  query: Query,
  dialect: Dialect,
  { viewer, thread, after }: ThreadView & { readonly after: number },
): Promise<number> {
  const [row] = await query<{ count: number }>(
    `select count(distinct m.id) as count from p_messages m join p_deliveries d on d.message = m.id
     where m.project = $1 and m.thread = $2 and m.n >= $3 and d.agent in ${dialect.list("$4")}
       and d.read_at is null and ${LIVE}`,
    [viewer.project, thread, after, JSON.stringify(viewer.agents)],
  );
  return row?.count ?? 0;
}
