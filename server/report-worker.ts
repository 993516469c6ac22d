import { workerData } from "node:worker_threads";
import { sweepRecord } from "../cells/ledger.ts";
import { makeReport } from "../reports/make.ts";
import type { MadeReport, ReportAsk } from "../reports/ports.ts";
import { answerAll } from "../runtime/asked-thread.ts";
import { openSqliteReader } from "../storage/sqlite-reader.ts";

const reader = openSqliteReader(workerData as string, () => Date.now());

answerAll<ReportAsk, MadeReport | null>({
  answer: (ask) => makeReport({ query: reader.query, source: { sweepRecord } }, ask),
  close: () => reader.close(),
});
