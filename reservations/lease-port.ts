import type { Resource } from "../contract/resource.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import type { Order } from "./demand.ts";
import { endLease, type EndContext, expireLease, freeUp } from "./ending.ts";
import { grantNew } from "./grant.ts";
import { isFree, obstaclesOf } from "./obstacles.ts";
import { conflict } from "./rivals.ts";
import { acceptsWork, isHeld } from "./rules.ts";
import { heldOf, leaseCore, pushBack } from "./store.ts";

export interface PortGrant {
  readonly project: string;
  /** The principal that holds it. */
  readonly holder: string;
  readonly resources: readonly Resource[];
  readonly ttlMs: number;
  readonly reason: string | null;
  readonly thread: string | null;
  readonly actor: string;
  /** Whether the caller watches over the holder and expires the lease itself, so that no deadline of its own is kept. */
  readonly kept?: boolean;
}

export interface PortLook {
  readonly project: string;
  /** Who asks. */
  readonly holder: string;
  readonly resources: readonly Resource[];
}

export interface PortRelease {
  readonly lease: string;
  readonly actor: string;
  /** As it was granted. */
  readonly kept?: boolean;
}

/** Leases for another domain, in that domain's transaction. The TTL is the caller's own: no minimum applies. */
export interface LeasePort {
  /** An exclusive lease on all resources or none. @throws ProblemError RESERVATION_CONFLICT */
  grant(tx: LogTx, request: PortGrant): Promise<{ id: string; fence: number }>;
  /** Which of the resources nobody can be granted exclusively now but those who hold them. */
  busy(at: Pick<LogTx, "query" | "now">, request: PortLook): Promise<Resource[]>;
  /** Ends the lease, unless it has ended already; tells whether work under it counted until now, see `acceptsWork`. */
  release(tx: LogTx, end: PortRelease): Promise<boolean>;
  /** Lets a held lease expire now, without a lock-delay: the caller has waited long enough for its holder. */
  lapse(tx: LogTx, lease: string): Promise<void>;
  /** What the end of its time does to a lease: for those that the caller keeps. */
  expire(tx: LogTx, lease: string): Promise<void>;
  /** Which of the leases are held no longer. */
  ended(query: Query, leases: readonly string[]): Promise<string[]>;
  /** Moves the end of a lease to `ttlMs` from now; false if it is held no longer. */
  renew(tx: LogTx, lease: string, ttlMs: number): Promise<boolean>;
  /** Whether work under the lease counts: the one rule, see `acceptsWork`. With `fence`: under this fence of it. */
  accepts(query: Query, lease: string, fence?: number): Promise<boolean>;
}

/** Written out: a spread copy costs several times as much, and this is done for every claim. */
const exclusive = (request: PortGrant): Order => ({
  project: request.project,
  holder: request.holder,
  mode: "exclusive",
  resources: request.resources,
  refs: null,
  session: null,
  ttlMs: request.ttlMs,
  reason: request.reason,
  thread: request.thread,
  actor: request.actor,
});

export function leasePort(context: EndContext): LeasePort {
  const { dialect } = context;
  return {
    grant: async (tx, request) => {
      const order = exclusive(request);
      const obstacles = await obstaclesOf({ query: tx.query, dialect }, order, { now: tx.now });
      if (!isFree(obstacles)) throw conflict(obstacles.rivals);
      const { fence, supersedes } = obstacles;
      return grantNew(tx, order, { fence, supersedes, kept: request.kept ?? false });
    },
    busy: async ({ query, now }, request) => {
      const demand = { ...request, mode: "exclusive" as const, refs: null };
      const { rivals, ahead } = await obstaclesOf({ query, dialect }, demand, { now });
      return [...rivals, ...ahead].map(({ wanted }) => wanted);
    },
    release: async (tx, { lease: id, actor, kept = false }) => {
      const lease = await leaseCore(tx.query, id);
      if (lease === undefined) return false;
      if (isHeld(lease.state))
        await endLease(tx, context, { lease, type: "lease.released", actor, kept });
      return acceptsWork(lease.state);
    },
    lapse: async (tx, id) => {
      const lease = await leaseCore(tx.query, id);
      if (lease === undefined || !isHeld(lease.state)) return;
      const { project } = lease;
      await tx.append({ type: "lease.expired", project, actor: "server", body: { id } });
      await tx.clearDeadline("lease.expire", id);
      await freeUp(tx, context, lease);
    },
    expire: (tx, id) => expireLease(tx, context, id),
    ended: async (query, leases) => {
      if (leases.length === 0) return [];
      const held = new Set(await heldOf({ query, dialect }, leases));
      return leases.filter((id) => !held.has(id));
    },
    renew: ({ query, now }, lease, ttlMs) => pushBack(query, lease, now + ttlMs),
    accepts: async (query, id, fence) => {
      const lease = await leaseCore(query, id);
      if (lease === undefined || (fence !== undefined && fence !== lease.fence)) return false;
      return acceptsWork(lease.state);
    },
  };
}
