import { orNotFound } from "../reports/make.ts";
import type { MadeReport, MakeReport, ReportAsk } from "../reports/ports.ts";
import { askedThread } from "../runtime/asked-thread.ts";

export interface Reports {
  readonly make: MakeReport;
  close(): Promise<void>;
}

/** Makes reports of a database file beside the server, which goes on answering. */
export function openReports(file: string): Reports {
  const module = new URL("report-worker.ts", import.meta.url);
  const thread = askedThread<ReportAsk, MadeReport | null>(module, file);
  return { make: orNotFound((ask) => thread.ask(ask)), close: () => thread.close() };
}
