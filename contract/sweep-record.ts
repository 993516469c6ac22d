import type { Cell } from "./cell/cell.ts";
import type { Inventory } from "./inventory.ts";
import type { AttemptReport, Outcome, RunState } from "./run.ts";

/** A sweep with everything that was measured for it, as the ledger holds it: what a report is made of. */
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
  /** What they were when they took the work up, by name and time; one that changed meanwhile is there more than once. */
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
