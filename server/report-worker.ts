import { workerData } from "node:worker_threads";
import { sweepRecord } from "../cells/ledger.ts";
import { makeReport } from "../reports/make.ts";
import type { MadeReport, ReportAsk } from "../reports/ports.ts";
import { answerAll } from "../runtime/asked-thread.ts";
import { openSqliteReader } from "../storage/sqlite-reader.ts";

const reader = openSqliteReader(workerData as string, () => Date.now());

answerAll<ReportAsk, MadeReport | null>({
  // What is counted in one query and listed in another must be the same.
  answer: (ask) => reader.snapshot((query) => makeReport({ query, source: { sweepRecord } }, ask)),
  close: () => reader.close(),
});
