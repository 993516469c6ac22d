import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Room } from "../storage/room.ts";
import type { InboxAddress } from "./ports.ts";

const RETRY_MS = 60_000;
const UNREAD = `select count(*) as count from (
  select 1 from p_deliveries where project = $1 and agent = $2 and read_at is null limit $3) one`;

/** How many unread messages an inbox holds, not counting beyond `limit`. */
export async function unreadIn(
  query: Query,
  { project, agent }: InboxAddress,
  limit: number,
): Promise<number> {
  const [row] = await query<{ count: number }>(UNREAD, [project, agent, limit]);
  return row?.count ?? 0;
}

interface Delivered {
  readonly agent: string;
  /** The place in the inbox. */
  readonly seq: number;
}

/**
 * Takes room for the deliveries of a message. An inbox that never got as many messages as it may hold unread is not even
 * looked at.
 * @throws ProblemError RATE_LIMITED with every inbox that is full
 */
export async function takeInboxes(
  query: Query,
  room: Room,
  { project, to }: { readonly project: string; readonly to: readonly Delivered[] },
): Promise<void> {
  const { limit } = room;
  const full: string[] = [];
  for (const { agent, seq } of to) {
    if (seq <= limit) continue;
    // One of them is the message that is being sent.
    const count = async (): Promise<number> =>
      (await unreadIn(query, { project, agent }, limit + 1)) - 1;
    if (!(await room.take(`${project}/${agent}`, count))) full.push(agent);
  }
  if (full.length === 0) return;
  throw new ProblemError(
    "RATE_LIMITED",
    `${full.join(", ")} ${full.length === 1 ? "has" : "have"} ${limit} unread messages and can take no more`,
    {
      details: full.map((agent) => ({ agent, limit })),
      next: "write to the others, and again when these have read their mail",
      retryAfterMs: RETRY_MS,
    },
  );
}
