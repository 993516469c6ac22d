import type { Resource } from "../contract/resource.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { Event, LogTx } from "../storage/log.ts";

/** When somebody looks, in a transaction or outside of one. */
export type Moment = Pick<LogTx, "query" | "now">;

/** Leases on a session's runs and GPUs, taken and given back in the transaction of the claim and of the result. */
export interface LeasePort {
  /** An exclusive lease on all resources. @throws ProblemError RESERVATION_CONFLICT, before it has written anything */
  grant(
    tx: LogTx,
    request: {
      readonly project: string;
      readonly holder: string;
      readonly resources: readonly Resource[];
      readonly ttlMs: number;
      readonly reason: string | null;
      readonly thread: string | null;
      readonly actor: string;
      /** Whether its end is the caller's to tell, by `expire`. Otherwise it ends `ttlMs` after its grant or renewal. */
      readonly kept: boolean;
    },
  ): Promise<{ readonly id: string; readonly fence: number }>;
  /** Which of the resources a lease would be refused for now. */
  busy(
    at: Moment,
    request: {
      readonly project: string;
      readonly holder: string;
      readonly resources: readonly Resource[];
    },
  ): Promise<readonly Resource[]>;
  /** Ends the lease, unless it has ended already; tells whether work under it counted until now, as `accepts` does. */
  release(
    tx: LogTx,
    end: { readonly lease: string; readonly actor: string; readonly kept: boolean },
  ): Promise<boolean>;
  /**
   * Lets a lease that is held expire now, because its holder was given up; nothing is locked after it. Work under it
   * counts until somebody else is granted what it covered.
   */
  lapse(tx: LogTx, lease: string): Promise<void>;
  /** Ends a kept lease that is held because its time is over: what it covers stays locked for a while. */
  expire(tx: LogTx, lease: string): Promise<void>;
  /** Which of the leases are held no longer. */
  ended(query: Query, leases: readonly string[]): Promise<string[]>;
  /** Extends a lease from now; false if it is held no longer. */
  renew(tx: LogTx, lease: string, ttlMs: number): Promise<boolean>;
  /** Whether work under the lease still counts: held, or expired with no conflicting grant since. */
  accepts(query: Query, lease: string): Promise<boolean>;
}

/** Threads that sweeps post to. */
export interface ThreadPort {
  /** @throws ProblemError THREAD_TAKEN if the thread is private: results are for every reader of the project */
  refusePrivate(query: Query, project: string, thread: string): Promise<void>;
  /** Posts that the sweep of a `sweep.submitted` is there: from then on its thread is open, whoever else posts to it. */
  begin(tx: LogTx, submitted: Event): Promise<void>;
}

/** Times that the server's settings may change, in milliseconds. */
export interface CellsSettings {
  /** How much longer than `lostAfter` a run waits for its node when half the fleet fell silent at once. */
  readonly freezeMs: number;
  /** A sweep of which nothing is taken up and nothing ends for so long is cancelled. */
  readonly idleMs: number;
}

export const DEFAULT_CELLS_SETTINGS: CellsSettings = {
  freezeMs: 300_000,
  idleMs: 7 * 86_400_000,
};

/** What the cells need of the rest of the server. */
export interface CellsDeps {
  readonly log: EventLog;
  readonly leases: LeasePort;
  readonly threads: ThreadPort;
  readonly blobs: Blobs;
  readonly settings: CellsSettings;
}
