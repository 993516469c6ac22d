import { ProblemError } from "../contract/problem.ts";
import { toTime } from "../contract/ids.ts";
import { formatResource, type Resource } from "../contract/resource.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { afterPrefix, ancestorsOf, keysOf } from "./keys.ts";
import { commonOf } from "./overlap.ts";
import { holderName, isHeld, refsMeet } from "./rules.ts";
import { type Asker, type CandidateRow, candidatesAt, candidatesNear } from "./store.ts";

export interface Reader {
  readonly query: Query;
  readonly dialect: Dialect;
}

/** What somebody wants to hold. */
export interface Demand extends Asker {
  readonly resources: readonly Resource[];
  /** Full ref names; null: all. */
  readonly refs: readonly string[] | null;
}

/** An open lease of somebody else that meets a demand. */
export interface Rival {
  readonly lease: CandidateRow;
  readonly wanted: Resource;
  readonly theirs: Resource;
  /** A path that both cover; "" for what is not a file. */
  readonly witness: string;
}

/** The open leases that meet the demand, one entry for each of their resources that does. */
export async function rivalsOf(reader: Reader, demand: Demand): Promise<Rival[]> {
  const rivals: Rival[] = [];
  for (const wanted of demand.resources) {
    for (const lease of await candidates(reader, demand, wanted)) {
      const theirs = JSON.parse(lease.resource) as Resource;
      if (!refsMeet(demand.refs, refsOf(lease))) continue;
      const witness = commonOf(wanted, theirs);
      if (witness !== null) rivals.push({ lease, wanted, theirs, witness });
    }
  }
  return rivals;
}

/** Whether the rival stands in the way now: it is held, or it ended by expiry or force less than its lock-delay ago. */
export const blocks = ({ lease }: Rival, now: number): boolean =>
  isHeld(lease.state) || (lease.unlock !== null && lease.unlock > now);

async function candidates(
  reader: Reader,
  demand: Demand,
  wanted: Resource,
): Promise<CandidateRow[]> {
  const { scope, keys } = keysOf(wanted);
  const rows: CandidateRow[] = [];
  for (const key of keys) {
    if (wanted.kind !== "file") {
      rows.push(...(await candidatesAt(reader.query, demand, { scope, key })));
      continue;
    }
    const range = { scope, ancestors: ancestorsOf(key), prefix: key, after: afterPrefix(key) };
    rows.push(...(await candidatesNear(reader, demand, range)));
  }
  return rows;
}

const refsOf = ({ refs }: CandidateRow): readonly string[] | null =>
  refs === null ? null : (JSON.parse(refs) as string[]);

/** What the caller of a refused acquire needs to decide: one detail for each lease and resource in the way. */
export function conflictDetail({ lease, wanted, theirs, witness }: Rival): Record<string, unknown> {
  const ends = isHeld(lease.state) ? lease.due : lease.unlock;
  return {
    pattern: formatResource(wanted),
    held: formatResource(theirs),
    witness: witness === "" ? null : witness,
    lease: lease.id,
    holder: holderName(lease.holder, lease.project),
    mode: lease.mode,
    state: lease.state,
    fence: lease.fence,
    expiresAt: ends === null ? null : toTime(ends),
    reason: lease.reason,
    thread: lease.thread,
  };
}

export function conflict(rivals: readonly Rival[]): ProblemError {
  const holders = [...new Set(rivals.map(({ lease }) => holderName(lease.holder, lease.project)))];
  const patterns = [...new Set(rivals.map(({ wanted }) => formatResource(wanted)))];
  return new ProblemError(
    "RESERVATION_CONFLICT",
    `${patterns.slice(0, 3).join(", ")}${patterns.length > 3 ? ", …" : ""} cannot be granted: held by ${holders.join(", ")}`,
    {
      details: rivals.map(conflictDetail),
      next: `gridpost send ${holders[0]} -s "when will you release ${patterns[0]}?"`,
    },
  );
}
