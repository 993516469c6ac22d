import { rmSync } from "node:fs";
import { workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import { answerAll } from "../runtime/asked-thread.ts";
import { FtsDocuments } from "./fts-documents.ts";
import type { SearchRequest } from "./search.ts";

/** When nobody has asked for so long, there is time to tidy up. */
const REST_MS = 250;
const DAMAGED = /^SQLITE_(?:NOTADB|CORRUPT)/;

/** What the worker is asked; it answers with what was found, or the rows, or null when it was to index only. */
export type SearchTask =
  | { readonly kind: "index" }
  | { readonly kind: "search"; readonly request: SearchRequest }
  | { readonly kind: "query"; readonly text: string; readonly values: readonly unknown[] };

export interface SearchFiles {
  readonly file: string;
  readonly source: string;
}

const { file, source } = workerData as SearchFiles;
const documents = open();

/** Of a damaged index nothing is lost: the log has it all. */
function open(): FtsDocuments {
  try {
    return new FtsDocuments(file, source);
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || !DAMAGED.test(error.code)) throw error;
    for (const part of ["", "-wal", "-shm"]) rmSync(`${file}${part}`, { force: true });
    return new FtsDocuments(file, source);
  }
}

function resultOf(task: SearchTask): unknown {
  switch (task.kind) {
    case "index":
      return null;
    case "search":
      return documents.search(task.request);
    case "query":
      return documents.query(task.text, task.values);
  }
}

let rest: NodeJS.Timeout | undefined;

/** Goes on until nothing is left to do or somebody asks. */
function tidy(): void {
  try {
    if (documents.tidy()) rest = setTimeout(tidy);
  } catch {
    // The next task meets whatever is in the way, and there somebody hears of it.
  }
}

answerAll<SearchTask, unknown>({
  answer: (task) => {
    clearTimeout(rest);
    try {
      while (documents.advance());
      return resultOf(task);
    } finally {
      rest = setTimeout(tidy, REST_MS);
    }
  },
  close: () => {
    clearTimeout(rest);
    documents.close();
  },
});
