import type { SweepRecord } from "../contract/sweep-record.ts";
import type { Query } from "../storage/db.ts";

/** Where the reports get a sweep from; the composition root wires it to the ledger. */
export interface SweepSource {
  /** The sweep by id, or the newest one of that name; null when there is none. */
  sweepRecord(query: Query, project: string, sweep: string): Promise<SweepRecord | null>;
}
