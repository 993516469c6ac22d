import type { Resource } from "../contract/resource.ts";
import type { Demand } from "./demand.ts";
import { afterPrefix, ancestorsOf, keysOf } from "./keys.ts";
import { refsMeet } from "./rules.ts";
import { type HitRow, hitsAt, hitsBetween, type Reader } from "./store.ts";

/** A resource of an open lease that may meet what was looked for. */
export interface Hit extends HitRow {
  readonly theirs: Resource;
}

/** The resources of open leases of others near one that is wanted; the same one may come more than once. */
export type Look = (wanted: Resource) => AsyncIterable<Hit>;

/** Rows read at once: more than an ordinary request finds below it, few enough to stop early. */
const PAGE = 250;
/** Behind every id of a lease. */
const LAST_LEASE = "~";

/**
 * Looks in the index for what a demand may meet; null when there is nothing. What lies at or above its resources is read at once, because many of
 * them have the same directories above them; what lies below one, page by page when that one is looked at.
 */
export async function lookAround(reader: Reader, demand: Demand): Promise<Look | null> {
  const asHits = hitsFor(demand);
  const above = new Map<string, Hit[]>();
  for (const [scope, keys] of keysAbove(demand)) {
    for (const hit of asHits(await hitsAt(reader, demand, { scope, keys }))) {
      const place = `${scope}\n${hit.key}`;
      const here = above.get(place);
      if (here === undefined) above.set(place, [hit]);
      else here.push(hit);
    }
  }
  if (above.size === 0 && demand.resources.every(({ kind }) => kind !== "file")) return null;
  return async function* look(wanted) {
    const { scope, keys } = keysOf(wanted, demand.project);
    for (const key of keys) {
      for (const one of pathTo(wanted, key)) yield* above.get(`${scope}\n${one}`) ?? [];
      if (wanted.kind !== "file") continue;
      let after: Pick<HitRow, "key" | "lease" | "n"> | undefined = { key, lease: LAST_LEASE, n: 0 };
      while (after !== undefined) {
        const stretch = { scope, after, end: afterPrefix(key), limit: PAGE };
        const rows: HitRow[] = await hitsBetween(reader.query, demand, stretch);
        yield* asHits(rows);
        after = rows.length < PAGE ? undefined : rows.at(-1);
      }
    }
  };
}

/** By scope, each key at or above a resource. Semaphores are counted, not looked for. */
function keysAbove({ project, resources }: Demand): Map<string, Set<string>> {
  const above = new Map<string, Set<string>>();
  for (const wanted of resources) {
    if (wanted.kind === "slot") continue;
    const { scope, keys } = keysOf(wanted, project);
    const all = above.get(scope) ?? new Set();
    for (const key of keys) for (const one of pathTo(wanted, key)) all.add(one);
    above.set(scope, all);
  }
  return above;
}

const pathTo = ({ kind }: Resource, key: string): readonly string[] =>
  kind === "file" ? ancestorsOf(key) : [key];

/** Reads rows of leases on refs that the demand's meet. */
function hitsFor({ refs }: Demand): (rows: readonly HitRow[]) => Hit[] {
  const known = new Map<string | null, boolean>();
  const meet = (theirs: string | null): boolean => {
    const answer =
      known.get(theirs) ??
      refsMeet(refs, theirs === null ? null : (JSON.parse(theirs) as readonly string[]));
    known.set(theirs, answer);
    return answer;
  };
  return (rows) =>
    rows
      .filter((row) => meet(row.refs))
      .map((row) => ({ ...row, theirs: JSON.parse(row.resource) as Resource }));
}
