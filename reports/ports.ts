import type { z } from "zod";
import type { Report } from "../contract/report.ts";
import type { ReportFormat } from "../contract/reports.ts";
import type { SweepRecord } from "../contract/sweep-record.ts";
import type { Query } from "../storage/db.ts";

/** Where the reports get a sweep from; the composition root wires it to the ledger. */
export interface SweepSource {
  /** The sweep by id, or the newest one of that name; null when there is none. */
  sweepRecord(query: Query, project: string, sweep: string): Promise<SweepRecord | null>;
}

export interface ReportsDeps {
  readonly query: Query;
  readonly source: SweepSource;
}

export interface ReportAsk {
  readonly project: string;
  /** Its id, or the name of the newest one. */
  readonly sweep: string;
  readonly format: z.infer<typeof ReportFormat>;
}

export interface MadeReport {
  /** The sweep's. */
  readonly name: string;
  /** For json. */
  readonly report: Report | null;
  /** The rendering for the other formats. */
  readonly text: string | null;
}

/** Makes the report of a sweep, in a thread of its own: it may take seconds. @throws ProblemError NOT_FOUND */
export type MakeReport = (ask: ReportAsk) => Promise<MadeReport>;
