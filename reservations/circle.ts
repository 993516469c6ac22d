import type { Query } from "../storage/db.ts";
import type { Demand } from "./demand.ts";
import type { Obstacles } from "./obstacles.ts";
import { type WaitsForRow, whomWaitsFor } from "./tickets.ts";

/** Holders who wait for each other, so that none of them will ever be granted what it waits for. */
export interface Circle {
  /** From the asker over those in between back to the asker. */
  readonly holders: readonly string[];
  /** The tickets of those in between. */
  readonly tickets: readonly WaitsForRow[];
}

/** Follows who waits for whom, from a demand with these obstacles; undefined if that never leads back to its holder. */
export async function circleFrom(
  query: Query,
  { project, holder }: Pick<Demand, "project" | "holder">,
  obstacles: Obstacles,
): Promise<Circle | undefined> {
  const cameFrom = new Map<string, { readonly from: string; readonly by: WaitsForRow | null }>();
  for (const next of firstHolders(obstacles)) cameFrom.set(next, { from: holder, by: null });
  // A map hands out what is added to it during the walk, in that order.
  for (const [current] of cameFrom) {
    if (current === holder) return pathBack(holder, cameFrom);
    for (const by of await whomWaitsFor(query, project, current)) {
      if (!cameFrom.has(by.holder)) cameFrom.set(by.holder, { from: current, by });
    }
  }
  return undefined;
}

/** Any unit of a semaphore will do, so nobody in particular is waited for there. */
const firstHolders = ({ rivals, ahead }: Obstacles): string[] => [
  ...rivals.flatMap(({ lease, wanted }) => (wanted.kind === "slot" ? [] : [lease.holder])),
  ...ahead.map(({ ticket }) => ticket.holder),
];

function pathBack(
  holder: string,
  cameFrom: ReadonlyMap<string, { readonly from: string; readonly by: WaitsForRow | null }>,
): Circle {
  const holders = [holder];
  const tickets: WaitsForRow[] = [];
  let at = cameFrom.get(holder);
  while (at !== undefined) {
    holders.unshift(at.from);
    if (at.by !== null) tickets.push(at.by);
    at = at.from === holder ? undefined : cameFrom.get(at.from);
  }
  return { holders, tickets };
}
