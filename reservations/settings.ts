import { ProblemError } from "../contract/problem.ts";
import type { Resource } from "../contract/resource.ts";

/** Settings of the server that rule leases; durations in milliseconds. */
export interface LeaseSettings {
  readonly minTtlMs: number;
  /** How long a resource stays ungrantable after an expiry or a force-release. */
  readonly lockDelayMs: { readonly file: number; readonly other: number };
}

export const DEFAULT_LEASE_SETTINGS: LeaseSettings = {
  minTtlMs: 60_000,
  lockDelayMs: { file: 30_000, other: 60_000 },
};

export const MAX_TTL_MS = 7 * 86_400_000;

/** @throws ProblemError UNPROCESSABLE */
export function checkTtl(ttlMs: number, { minTtlMs }: LeaseSettings): void {
  if (ttlMs >= minTtlMs && ttlMs <= MAX_TTL_MS) return;
  throw new ProblemError(
    "UNPROCESSABLE",
    `a lease lives from ${minTtlMs / 1_000} s to ${MAX_TTL_MS / 86_400_000} d; ${ttlMs / 1_000} s was asked for`,
    {
      details: [{ field: "ttlMs", min: minTtlMs, max: MAX_TTL_MS }],
      next: "ask for a TTL between",
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
