import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Room } from "../storage/room.ts";
import type { Addressed, Admitted } from "./admit.ts";
import { IS_UNREAD, LIVE } from "./inbox.ts";
import { fold } from "./names.ts";
import type { InboxAddress } from "./ports.ts";
import { recipientsOf } from "./recipients.ts";

const RETRY_MS = 60_000;
const UNREAD = `select count(*) as count from (select 1 from p_deliveries d
  where d.project = $1 and d.agent = $2 and ${IS_UNREAD} and ${LIVE} limit $3) one`;

/** How many unread messages an inbox holds, not counting beyond `limit`. */
export async function unreadIn(
  query: Query,
  { project, agent }: InboxAddress,
  limit: number,
): Promise<number> {
  const [row] = await query<{ count: number }>(UNREAD, [project, agent, limit]);
  return row?.count ?? 0;
}

interface Sending {
  readonly addressed: Addressed;
  readonly admitted: Admitted;
}

/**
 * Takes room for the deliveries of a message that is not yet written. Full inboxes of those that the sender did not name,
 * members of groups and implied recipients, are skipped.
 * @throws ProblemError RATE_LIMITED with every named recipient whose inbox is full, or with all if there is nobody else
 */
export async function takeInboxes(
  query: Query,
  room: Room,
  { addressed, admitted }: Sending,
): Promise<Admitted> {
  const full = await fullOf(query, room, { addressed, admitted });
  if (full.length === 0) return admitted;
  const implied = new Set(addressed.implied.map(fold));
  const written = [...admitted.to, ...admitted.cc, ...admitted.bcc];
  const others = (names: readonly string[]): string[] =>
    names.filter((name) => !full.includes(name));
  const nobody = full.length === recipientsOf(admitted).size;
  const named = full.filter((name) => written.includes(name) && !implied.has(fold(name)));
  if (named.length > 0) throw inboxesFull(named, room.limit);
  if (nobody) throw inboxesFull(full, room.limit);
  return {
    ...admitted,
    to: others(admitted.to),
    cc: others(admitted.cc),
    bcc: others(admitted.bcc),
    groups: admitted.groups.map((group) => ({ ...group, members: others(group.members) })),
    skipped: [...admitted.skipped, ...full.map((agent) => ({ agent, reason: "full" as const }))],
  };
}

/** The recipients without room. An inbox that never got as many messages as it may hold unread is not even looked at. */
async function fullOf(
  query: Query,
  room: Room,
  { addressed: { project }, admitted }: Sending,
): Promise<string[]> {
  const { limit } = room;
  const full: string[] = [];
  for (const agent of recipientsOf(admitted).keys()) {
    if ((admitted.places.get(agent) ?? 0) <= limit) continue;
    const count = (): Promise<number> => unreadIn(query, { project, agent }, limit);
    if (!(await room.take(`${project}/${agent}`, count))) full.push(agent);
  }
  return full;
}

const inboxesFull = (full: readonly string[], limit: number): ProblemError =>
  new ProblemError(
    "RATE_LIMITED",
    `${full.join(", ")} ${full.length === 1 ? "has" : "have"} ${limit} unread messages and can take no more`,
    {
      details: full.map((agent) => ({ agent, limit })),
      next: "write to the others, and again when these have read their mail",
      retryAfterMs: RETRY_MS,
    },
  );
