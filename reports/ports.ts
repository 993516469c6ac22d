import type { Query } from "../storage/db.ts";
import type { Cell } from "../contract/cell/cell.ts";
import type { Inventory } from "../contract/inventory.ts";
import type { AttemptReport, Outcome, RunState } from "../contract/run.ts";

/** Everything that a report is made of, as the ledger holds it. */
export interface SweepRecord {
  readonly project: string;
  readonly id: string;
  readonly name: string;
  readonly thread: string;
  readonly submittedBy: string;
  /** Milliseconds since the epoch. */
  readonly submittedAt: number;
  readonly metrics: { readonly primary: string; readonly direction: "higher" | "lower" };
  readonly states: Partial<Record<RunState, number>>;
  /** Image as written -> frozen repo digest or image id. */
  readonly images: Readonly<Record<string, string | null>>;
  readonly cells: readonly Cell[];
  readonly runs: readonly {
    readonly id: string;
    readonly cell: string;
    readonly block: number;
    readonly state: RunState;
  }[];
  /** Every attempt that ended, the fenced-out ones included, by run and number. */
  readonly attempts: readonly AttemptRecord[];
  readonly nodes: readonly { readonly name: string; readonly inventory: Inventory }[];
}

export interface AttemptRecord {
  readonly run: string;
  readonly n: number;
  /** `node:n1`, or the principal that claimed by hand. */
  readonly holder: string;
  readonly outcome: Outcome;
  readonly message: string | null;
  /** Whether its samples are in the ledger. */
  readonly accepted: boolean;
  readonly measuredId: string | null;
  /** null when the attempt was lost without a report. */
  readonly report: AttemptReport | null;
}

/** Where the reports get a sweep from; the composition root wires it to the ledger. */
export interface SweepSource {
  /** The sweep by id, or the newest one of that name; null when there is none. */
  sweepRecord(query: Query, project: string, sweep: string): Promise<SweepRecord | null>;
}
