import { ProblemError } from "../contract/problem.ts";
import type { Resource } from "../contract/resource.ts";
import { commonOf, type Demand, type Meeting } from "./demand.ts";
import { afterPrefix, ancestorsOf, keysOf } from "./keys.ts";
import { type Budget, callBudget } from "./pattern/overlap.ts";
import { isHeld, refsMeet } from "./rules.ts";
import {
  type HitRow,
  hitsAt,
  hitsNear,
  leasesOfSlot,
  openLease,
  type OpenRow,
  type Reader,
  slotCapacity,
} from "./store.ts";

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
  const blocking: Rival[] = [];
  const supersedes = new Set<string>();
  for (const wanted of demand.resources) {
    if (wanted.kind === "slot") {
      const { blocking: full, supersedes: old } = await slotRivals(reader, demand, { wanted, now });
      blocking.push(...full);
      for (const id of old) supersedes.add(id);
      continue;
    }
    for (const rival of await meeting(reader, demand, { wanted, budget })) {
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

async function meeting(
  reader: Reader,
  demand: Demand,
  { wanted, budget }: { readonly wanted: Resource; readonly budget: Budget },
): Promise<Rival[]> {
  const rivals: Rival[] = [];
  const seen = new Set<string>();
  for (const hit of await hits(reader, demand, wanted)) {
    // The same resource of a lease is found once for each alternative of its pattern.
    const one = `${hit.lease} ${hit.resource}`;
    if (seen.has(one) || !refsMeet(demand.refs, demand.refs === null ? null : refsOf(hit)))
      continue;
    seen.add(one);
    const theirs = JSON.parse(hit.resource) as Resource;
    const witness = commonOf(wanted, theirs, budget);
    const lease = witness === null ? undefined : await openLease(reader.query, hit.lease);
    if (lease !== undefined && witness !== null) rivals.push({ lease, wanted, theirs, witness });
    if (rivals.length === ENOUGH && rivals.some((rival) => isHeld(rival.lease.state))) break;
  }
  return rivals;
}

async function hits(reader: Reader, demand: Demand, wanted: Resource): Promise<HitRow[]> {
  const { scope, keys } = keysOf(wanted);
  const rows: HitRow[] = [];
  for (const key of keys) {
    if (wanted.kind === "file") {
      const near = { scope, prefix: key, ancestors: ancestorsOf(key), after: afterPrefix(key) };
      rows.push(...(await hitsNear(reader, demand, near)));
    } else rows.push(...(await hitsAt(reader.query, demand, { scope, key })));
  }
  return rows;
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
