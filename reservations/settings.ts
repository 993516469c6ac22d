import { ProblemError } from "../contract/problem.ts";
import type { Resource } from "../contract/resource.ts";
import { DAY_MS, durationText } from "../contract/units.ts";

/** Settings of the server that rule leases; durations in milliseconds. */
export interface LeaseSettings {
  readonly minTtlMs: number;
  /** How long a resource stays ungrantable after an expiry or a force-release. */
  readonly lockDelayMs: { readonly file: number; readonly other: number };
  /** How many leases a holder may have or wait for. What a claim brings is not counted: slots bound that. */
  readonly maxOpen: number;
}

export const DEFAULT_LEASE_SETTINGS: LeaseSettings = {
  minTtlMs: 60_000,
  lockDelayMs: { file: 30_000, other: 60_000 },
  maxOpen: 10_000,
};

export const MAX_TTL_MS = 7 * DAY_MS;

/** Silence after which the leases of a session are in grace. */
export const SESSION_GRACE_MS = 45_000;
/** Silence after which they expire. */
export const SESSION_ENDS_MS = 300_000;

/** How long a waiter counts as present between two of its calls, and has to take a lease that was granted to it. */
export const TICKET_PRESENT_MS = 5_000;
/** How long a waiter keeps its place after the last call about it has ended. */
export const TICKET_KEPT_MS = 30_000;
/** How long the answer to a ticket that brought a lease can be fetched again. */
export const TICKET_REMEMBERED_MS = 600_000;

/** @throws ProblemError UNPROCESSABLE */
export function checkTtl(ttlMs: number, { minTtlMs }: LeaseSettings): void {
  if (ttlMs >= minTtlMs && ttlMs <= MAX_TTL_MS) return;
  const bounds = `${durationText(minTtlMs)} to ${durationText(MAX_TTL_MS)}`;
  throw new ProblemError(
    "UNPROCESSABLE",
    `a lease lives for ${bounds}; ${durationText(ttlMs)} was asked for`,
    {
      details: [{ path: "ttlMs", message: `must be ${minTtlMs} to ${MAX_TTL_MS}` }],
      next: `ask for a TTL of ${bounds}`,
    },
  );
}

/** A cell has none of its own: the time after which its run counts as lost contains it. */
export const lockDelayOf = (resources: readonly Resource[], settings: LeaseSettings): number =>
  Math.max(
    ...resources.map(({ kind }) => {
      if (kind === "cell") return 0;
      return kind === "file" ? settings.lockDelayMs.file : settings.lockDelayMs.other;
    }),
  );
