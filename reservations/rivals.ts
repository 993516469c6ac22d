import { ProblemError } from "../contract/problem.ts";
import type { Resource } from "../contract/resource.ts";
import { commonOf, type Demand, type Meeting } from "./demand.ts";
import { type Look, lookAround } from "./look.ts";
import { type Budget, callBudget } from "./pattern/overlap.ts";
import { isHeld } from "./rules.ts";
import { leasesOfSlot, openLeases, type OpenRow, type Reader, slotCapacity } from "./store.ts";

/** An open lease that meets a demand. */
export interface Rival extends Meeting {
  readonly lease: OpenRow;
}

export interface Rivals {
  /** Those in the way now. */
  readonly blocking: readonly Rival[];
  /** Those that ended and that a grant supersedes. */
  readonly supersedes: readonly string[];
}

/** The open leases that meet the demand, one entry for each of their resources that does. */
export async function rivalsOf(reader: Reader, demand: Demand, now: number): Promise<Rivals> {
  const budget = callBudget();
  const look = await lookAround(reader, demand);
  const blocking: Rival[] = [];
  const supersedes = new Set<string>();
  for (const wanted of demand.resources) {
    if (wanted.kind === "slot") {
      const { blocking: full, supersedes: old } = await slotRivals(reader, demand, { wanted, now });
      blocking.push(...full);
      for (const id of old) supersedes.add(id);
      continue;
    }
    if (look === null) continue;
    // Each resource is told at least one, so that the others can be granted without it.
    const enough = Math.max(1, ENOUGH - blocking.length);
    for (const rival of await meeting(reader, look, { wanted, budget, enough })) {
      if (inTheWay(rival.lease, now)) blocking.push(rival);
      else supersedes.add(rival.lease.id);
    }
  }
  return { blocking, supersedes: [...supersedes] };
}

/** Held, or ended by expiry or force less than its lock-delay ago. */
const inTheWay = ({ state, unlock }: OpenRow, now: number): boolean =>
  isHeld(state) || (unlock !== null && unlock > now);

/** More of them would tell nobody anything; who waits is judged anew when these are gone. */
const ENOUGH = 100;

interface Search {
  readonly wanted: Resource;
  readonly budget: Budget;
  /** With so many, of which one is held, the search ends. */
  readonly enough: number;
}

async function meeting(
  reader: Reader,
  look: Look,
  { wanted, budget, enough }: Search,
): Promise<Rival[]> {
  const found: (Meeting & { readonly id: string })[] = [];
  const seen = new Set<string>();
  // Many leases may have the same pattern, above all those that ended and wait for a grant to supersede them.
  const witnesses = new Map<string, string | null>();
  let held = false;
  for await (const { lease: id, n, state, resource, theirs } of look(wanted)) {
    // The same resource of a lease is found once for each alternative of its pattern.
    const one = `${id} ${n}`;
    if (seen.has(one)) continue;
    seen.add(one);
    const known = witnesses.get(resource);
    const witness = known === undefined ? commonOf(wanted, theirs, budget) : known;
    witnesses.set(resource, witness);
    if (witness === null) continue;
    found.push({ id, wanted, theirs, witness });
    held ||= isHeld(state);
    if (held && found.length >= enough) break;
  }
  if (found.length === 0) return [];
  const leases = await openLeases(reader, new Set(found.map(({ id }) => id)));
  return found.flatMap(({ id, ...rest }) => {
    const lease = leases.get(id);
    return lease === undefined ? [] : [{ lease, ...rest }];
  });
}

/** All units taken: everybody who holds one is in the way. A grant takes the unit of the oldest that has ended. */
async function slotRivals(
  { query }: Reader,
  { project }: Demand,
  { wanted, now }: { readonly wanted: Resource & { kind: "slot" }; readonly now: number },
): Promise<Rivals> {
  const capacity = await slotCapacity(query, project, wanted.name);
  const all = await leasesOfSlot(query, project, wanted.name);
  const taken = all.filter((lease) => inTheWay(lease, now));
  const ended = all.filter((lease) => !inTheWay(lease, now));
  if (taken.length >= capacity) {
    const blocking = taken.map((lease) => ({ lease, wanted, theirs: wanted, witness: "" }));
    return { blocking, supersedes: [] };
  }
  const displaced = Math.max(0, taken.length + 1 + ended.length - capacity);
  return { blocking: [], supersedes: ended.slice(0, displaced).map(({ id }) => id) };
}

export function refsOf({ refs }: { readonly refs: string | null }): readonly string[] | null {
  return refs === null ? null : (JSON.parse(refs) as string[]);
}

/** What another domain is told; agents get the full `LeaseConflict`s. */
export const conflict = (rivals: readonly Rival[]): ProblemError =>
  new ProblemError("RESERVATION_CONFLICT", "a resource is held by somebody else", {
    details: rivals.map(({ lease, theirs }) => ({
      lease: lease.id,
      holder: lease.holder,
      resource: theirs,
    })),
  });
