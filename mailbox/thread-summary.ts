import { toTime } from "../contract/ids.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { LIVE } from "./inbox.ts";
import { namesIn } from "./read-message.ts";
import {
  countSeen,
  type SeenThread,
  threadMessages,
  type ThreadMessage,
  type ThreadView,
} from "./thread-rows.ts";
import { visible } from "./visibility.ts";

/** How many of the newest messages participants and unread counts are taken from. */
const NEWEST = 1_000;
const FOLLOWING = `select state from p_followers where project = $1 and thread = $2 and agent = $3`;
/** What a viewer is told about a thread before its messages. */
export async function threadSummary(
  query: Query,
  dialect: Dialect,
  view: ThreadView & { readonly seen: SeenThread },
) {
  const { viewer, thread, seen } = view;
  const rows = await participantRows(query, dialect, { ...view, limit: NEWEST });
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
    messages: await countSeen(query, dialect, { ...view, ...seen }),
    unread: await unread(query, dialect, { ...view, after: rows.at(-1)?.n ?? 0 }),
    firstAt: toTime(first?.at ?? 0),
    lastAt: toTime(rows[0]?.at ?? 0),
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

type ParticipantRow = Pick<ThreadMessage, "sender" | "to_list" | "cc_list" | "at"> & {
  readonly n: number;
};

const participantRows = (
  query: Query,
  dialect: Dialect,
  { viewer, thread, limit }: ThreadView & { readonly limit: number },
): Promise<ParticipantRow[]> =>
  query(
    `select m.n, m.at, m.sender, m.to_list, m.cc_list from p_messages m
     where m.project = $1 and m.thread = $2 and ${visible("m", dialect.list("$3"))}
     order by m.n desc limit $4`,
    [viewer.project, thread, JSON.stringify(viewer.agents), limit],
  );

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
