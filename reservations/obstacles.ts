import { type Demand, type Meeting, meetingsOf, type Order } from "./demand.ts";
import { callBudget } from "./pattern/overlap.ts";
import { keysOf } from "./keys.ts";
import { type Rival, type Rivals, rivalsOf } from "./rivals.ts";
import { type Place, type Reader, standing } from "./store.ts";
import { orderOf, slotBlockers, type TicketRow, presentBefore } from "./tickets.ts";

/** Somebody who asked before for what meets a demand, and still waits. */
export interface Ahead extends Meeting {
  readonly ticket: TicketRow;
  readonly order: Order;
}

/** What keeps a demand from being granted now. */
export interface Obstacles {
  readonly rivals: readonly Rival[];
  readonly ahead: readonly Ahead[];
  /** Ended leases that a grant supersedes. */
  readonly supersedes: readonly string[];
  /** The project's highest fence. */
  readonly fence: number;
}

export interface Moment {
  readonly now: number;
  /** The demand's own place in the queue; later ones are not in its way. */
  readonly place?: number;
}

export async function obstaclesOf(
  reader: Reader,
  demand: Demand,
  { now, place = Number.MAX_SAFE_INTEGER }: Moment,
): Promise<Obstacles> {
  const { project } = demand;
  const { fence, queued, near } = await standing(reader.query, project, onlyPlace(demand));
  const { blocking, supersedes } = near ? await rivalsOf(reader, demand, now) : NO_RIVALS;
  const ahead = queued
    ? aheadOf(demand, await presentBefore(reader.query, { project, n: place, now }))
    : [];
  return { rivals: blocking, ahead, supersedes, fence };
}

const NO_RIVALS: Rivals = { blocking: [], supersedes: [] };

/** Where everything is found that a demand may meet, if that is one place: it asks for one thing, and no pattern or semaphore. */
function onlyPlace({ project, resources }: Demand): Place | undefined {
  const [wanted] = resources;
  if (wanted === undefined || resources.length > 1) return undefined;
  if (wanted.kind === "file" || wanted.kind === "slot") return undefined;
  const { scope, keys } = keysOf(wanted, project);
  return { scope, key: keys[0] ?? "" };
}

function aheadOf(demand: Demand, tickets: readonly TicketRow[]): Ahead[] {
  const budget = callBudget();
  return tickets.flatMap((ticket) => {
    if (ticket.holder === demand.holder) return [];
    const earlier = orderOf(ticket);
    return meetingsOf(demand, earlier, budget).map((meeting) => ({
      ...meeting,
      ticket,
      order: earlier,
    }));
  });
}

export const isFree = ({ rivals, ahead }: Obstacles): boolean =>
  rivals.length === 0 && ahead.length === 0;

/** What a waiter with these obstacles waits for. */
export const blockersOf = ({ rivals, ahead }: Obstacles): string[] => [
  ...new Set([
    ...rivals.flatMap(({ lease, wanted }) =>
      wanted.kind === "slot" ? slotBlockers(lease.project, [wanted]) : [lease.id],
    ),
    ...ahead.map(({ ticket }) => ticket.id),
  ]),
];
