import { parsePattern } from "../contract/pattern/pattern.ts";
import { ProblemError } from "../contract/problem.ts";
import type { LeaseMode, Resource } from "../contract/resource.ts";
import { type Budget, callBudget, commonPath } from "./pattern/overlap.ts";
import { modesClash, refsMeet } from "./rules.ts";

/** What somebody wants to hold. */
export interface Demand {
  readonly project: string;
  /** The principal. */
  readonly holder: string;
  readonly mode: LeaseMode;
  /** In their one form, without repetition. */
  readonly resources: readonly Resource[];
  /** Full ref names; null: all. */
  readonly refs: readonly string[] | null;
}

/** A demand with all that its lease will say. */
export interface Order extends Demand {
  readonly actor: string;
  readonly ttlMs: number;
  readonly session: string | null;
  readonly reason: string | null;
  readonly thread: string | null;
}

/** The most patterns that the braces of one request may stand for. */
const MAX_ALTERNATIVES = 2_000;

/**
 * Brings resources into their one form.
 * @throws ProblemError UNPROCESSABLE for a pattern that is refused, or for too many alternatives
 */
export function normaliseResources(resources: readonly Resource[]): Resource[] {
  let alternatives = 0;
  const normal = resources.map((resource) => {
    if (resource.kind !== "file") return resource;
    const pattern = parsePattern(resource.pattern);
    alternatives += pattern.alternatives.length;
    return { ...resource, pattern: pattern.text };
  });
  if (alternatives > MAX_ALTERNATIVES) {
    throw new ProblemError(
      "UNPROCESSABLE",
      `the patterns of one request stand for at most ${MAX_ALTERNATIVES} after the expansion of braces, these for ${alternatives}`,
      { next: "use wider patterns, or several leases" },
    );
  }
  return [...new Map(normal.map((resource) => [JSON.stringify(resource), resource])).values()];
}

/** What two resources have in common, or null: for files a path that both patterns cover, else "". */
export function commonOf(a: Resource, b: Resource, budget: Budget): string | null {
  if (a.kind === "file" && b.kind === "file") {
    if (a.repo !== b.repo) return null;
    // What was reserved before the repository began to ignore case keeps its own rule among its like.
    const ignoreCase = Boolean(a.ignoreCase) || Boolean(b.ignoreCase);
    return commonPath(
      parsePattern(a.pattern, ignoreCase),
      parsePattern(b.pattern, ignoreCase),
      budget,
    );
  }
  return JSON.stringify(a) === JSON.stringify(b) ? "" : null;
}

/** A resource of each side that cannot be given to both. */
export interface Meeting {
  readonly wanted: Resource;
  readonly theirs: Resource;
  /** A path that both cover; "" for what is not a file. */
  readonly witness: string;
}

/** Where a demand meets an earlier one of somebody else; empty if both can be granted. */
export function meetingsOf(demand: Demand, earlier: Demand, budget = callBudget()): Meeting[] {
  if (!refsMeet(demand.refs, earlier.refs)) return [];
  const clash = modesClash(demand.mode, earlier.mode);
  return demand.resources.flatMap((wanted) =>
    earlier.resources.flatMap((theirs) => {
      // A semaphore knows no modes: its units are what is waited for.
      if (!clash && wanted.kind !== "slot") return [];
      const witness = commonOf(wanted, theirs, budget);
      return witness === null ? [] : [{ wanted, theirs, witness }];
    }),
  );
}
