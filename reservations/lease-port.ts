import { newId } from "../contract/ids.ts";
import type { Resource } from "../contract/resource.ts";
import type { Dialect, Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { grant, releaseLease } from "./grant.ts";
import { acceptsWork, isHeld } from "./rules.ts";
import { leaseById, pushBack } from "./store.ts";

export interface PortGrant {
  readonly project: string;
  /** The principal that holds it. */
  readonly holder: string;
  readonly resources: readonly Resource[];
  readonly ttlMs: number;
  readonly reason: string | null;
  readonly thread: string | null;
  readonly actor: string;
}

/** Leases for another domain, in that domain's transaction. The TTL is the caller's own: no minimum applies. */
export interface LeasePort {
  /** An exclusive lease on all resources or none. @throws ProblemError RESERVATION_CONFLICT */
  grant(tx: LogTx, request: PortGrant): Promise<{ id: string; fence: number }>;
  /** Ends the lease; does nothing if it has ended already. */
  release(tx: LogTx, end: { readonly lease: string; readonly actor: string }): Promise<void>;
  /** Moves the end of the leases to `ttlMs` from now; returns the ids that are held no longer. */
  renewMany(tx: LogTx, leases: readonly string[], ttlMs: number): Promise<string[]>;
  /** Whether work under the lease counts: the one rule, see `acceptsWork`. With `fence`: under this fence of it. */
  accepts(query: Query, lease: string, fence?: number): Promise<boolean>;
}

export const leasePort = (dialect: Dialect): LeasePort => ({
  grant: (tx, request) =>
    grant(tx, dialect, {
      ...request,
      id: newId(),
      mode: "exclusive",
      refs: null,
      session: null,
    }),
  release: async (tx, { lease, actor }) => {
    const row = await leaseById(tx.query, lease);
    if (row === undefined || !isHeld(row.state)) return;
    await releaseLease(tx, { id: lease, project: row.project, actor });
  },
  renewMany: async ({ query, now }, leases, ttlMs) => {
    if (leases.length === 0) return [];
    const renewed = new Set(await pushBack({ query, dialect }, leases, now + ttlMs));
    return leases.filter((id) => !renewed.has(id));
  },
  accepts: async (query, lease, fence) => {
    const row = await leaseById(query, lease);
    if (row === undefined || (fence !== undefined && fence !== row.fence)) return false;
    return acceptsWork(row.state);
  },
});
