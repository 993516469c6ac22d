import type { Query } from "../storage/db.ts";
import type { Demand } from "./demand.ts";
import type { Obstacles } from "./obstacles.ts";
import { isHeld } from "./rules.ts";
import { leasesOfSlot, slotCapacity } from "./store.ts";
import { semaphoreOf, type WaitRow, waitsOf } from "./tickets.ts";

/** Holders who wait for each other, so that none of them will ever be granted what it waits for. */
export interface Circle {
  /** From the asker over those in between back to the asker. */
  readonly holders: readonly string[];
  /** The tickets of those in between. */
  readonly tickets: readonly Waiting[];
}

type Waiting = Pick<WaitRow, "ticket" | "n">;

/** What somebody waits for: that one of these holders lets go. Of a semaphore any unit will do. */
interface Need {
  readonly holders: readonly string[];
  /** null: the demand that is judged now. */
  readonly by: Waiting | null;
}

/** Finds whether a demand with these obstacles would wait for ever, because whoever it needs waits for its holder. */
export async function circleFrom(
  query: Query,
  { holder }: Pick<Demand, "holder">,
  obstacles: Obstacles,
): Promise<Circle | undefined> {
  const needs = new Map([[holder, firstNeeds(holder, obstacles)]]);
  // A map hands out what is added to it during the walk.
  for (const [, all] of needs) {
    for (const other of all.flatMap(({ holders }) => holders))
      if (!needs.has(other)) needs.set(other, await needsOf(query, other));
  }
  return circleIn(stuckNeeds(needs), holder);
}

function firstNeeds(holder: string, { rivals, ahead }: Obstacles): Need[] {
  const held = rivals.filter(({ lease }) => isHeld(lease.state));
  const slots = new Set(rivals.map(({ wanted }) => wanted).filter(({ kind }) => kind === "slot"));
  const units = [...slots].map((slot) => rivals.filter(({ wanted }) => wanted === slot));
  const alone = [
    ...held.flatMap(({ lease, wanted }) => (wanted.kind === "slot" ? [] : [lease.holder])),
    ...ahead.map(({ ticket }) => ticket.holder),
  ];
  return [
    ...[...new Set(alone)].map((one) => ({ holders: [one], by: null })),
    // A unit that is only locked comes back by itself.
    ...units
      .filter((all) => all.every(({ lease }) => isHeld(lease.state)))
      .map((all) => ({ holders: all.map(({ lease }) => lease.holder), by: null })),
  ].filter(({ holders }) => !holders.includes(holder));
}

/** Empty for who waits for nothing. A second unit of a semaphore may come from another process of the same agent. */
async function needsOf(query: Query, holder: string): Promise<Need[]> {
  const needs: Need[] = [];
  for (const by of await waitsOf(query, holder)) {
    const { project } = by;
    const slot = semaphoreOf(project, by.blocker);
    const holders = slot === undefined ? [by.holder] : await holdersOf(query, project, slot);
    const known = holders.filter((one) => one !== null);
    if (known.length > 0 && !known.includes(holder)) needs.push({ holders: known, by });
  }
  return needs;
}

async function holdersOf(query: Query, project: string, slot: string): Promise<string[]> {
  const all = await leasesOfSlot(query, project, slot);
  const holders = all.filter(({ state }) => isHeld(state)).map(({ holder }) => holder);
  return holders.length >= (await slotCapacity(query, project, slot)) ? holders : [];
}

/** Leaves those needs of which nobody can let go, because each of the holders has one itself. */
function stuckNeeds(needs: ReadonlyMap<string, readonly Need[]>): Map<string, readonly Need[]> {
  const stuck = new Map(needs);
  const isStuck = ({ holders }: Need): boolean => holders.every((one) => stuck.has(one));
  for (let before = -1; before !== stuck.size;) {
    before = stuck.size;
    // The last ones found are the nearest to those who wait for nothing.
    for (const [holder, all] of [...stuck].toReversed())
      if (!all.some(isStuck)) stuck.delete(holder);
  }
  return new Map([...stuck].map(([holder, all]) => [holder, all.filter(isStuck)]));
}

/** The shortest way from a holder back to itself. */
function circleIn(needs: ReadonlyMap<string, readonly Need[]>, holder: string): Circle | undefined {
  const cameFrom = new Map<string, { readonly from: string; readonly by: Waiting | null }>();
  const follow = (from: string): void => {
    for (const { holders, by } of needs.get(from) ?? [])
      for (const one of holders) if (!cameFrom.has(one)) cameFrom.set(one, { from, by });
  };
  follow(holder);
  for (const [current] of cameFrom) {
    if (current === holder) return pathBack(holder, cameFrom);
    follow(current);
  }
  return undefined;
}

function pathBack(
  holder: string,
  cameFrom: ReadonlyMap<string, { readonly from: string; readonly by: Waiting | null }>,
): Circle {
  const holders = [holder];
  const tickets: Waiting[] = [];
  let at = cameFrom.get(holder);
  while (at !== undefined) {
    holders.unshift(at.from);
    if (at.by !== null) tickets.push(at.by);
    at = at.from === holder ? undefined : cameFrom.get(at.from);
  }
  return { holders, tickets };
}
