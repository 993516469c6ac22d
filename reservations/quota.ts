import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Room } from "../storage/room.ts";
import type { ReservationsDeps } from "./call.ts";
import type { Order } from "./demand.ts";

/** What the calls need that make leases, beside what all need. */
export interface GrantDeps extends ReservationsDeps {
  /** For the open leases and the places in the queue of each holder. */
  readonly room: Room;
}

const RETRY_MS = 10_000;
const OPEN = `select count(*) as count from (
  select 1 from p_leases where holder = $1 and state in ('held', 'grace')
  union all select 1 from e_lease_tickets where holder = $1 and state = 'waiting' limit $2) one`;

/** @throws ProblemError RATE_LIMITED when the holder has as many leases and places in the queue as it may */
export async function takeRoom(
  query: Query,
  room: Room,
  { holder }: Pick<Order, "holder">,
): Promise<void> {
  const count = async (): Promise<number> => {
    const [row] = await query<{ count: number }>(OPEN, [holder, room.limit]);
    return row?.count ?? 0;
  };
  if (await room.take(holder, count)) return;
  throw new ProblemError(
    "RATE_LIMITED",
    `${holder} has ${room.limit} open leases and requests, and may have no more`,
    {
      details: [{ holder, limit: room.limit }],
      next: "release what you no longer need: gridpost lease ls --mine",
      retryAfterMs: RETRY_MS,
    },
  );
}
