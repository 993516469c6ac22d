import { parentPort, workerData } from "node:worker_threads";
import { FtsDocuments } from "./fts-documents.ts";
import type { SearchRequest } from "./search.ts";

/** What the worker is asked. */
export type SearchTask = { readonly id: number } & (
  | { readonly kind: "index" }
  | { readonly kind: "search"; readonly request: SearchRequest }
  | { readonly kind: "query"; readonly text: string; readonly values: readonly unknown[] }
);

export interface SearchAnswer {
  readonly id: number;
  /** What was found, or the rows; null when it was to index only. */
  readonly result?: unknown;
  /** Why it failed. */
  readonly error?: string;
}

export interface SearchFiles {
  readonly file: string;
  readonly source: string;
}

const { file, source } = workerData as SearchFiles;
const documents = new FtsDocuments(file, source);

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

function answer(task: SearchTask): SearchAnswer {
  const { id } = task;
  try {
    while (documents.advance());
    return { id, result: resultOf(task) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

parentPort?.on("message", (task: SearchTask | null) => {
  if (task !== null) {
    parentPort?.postMessage(answer(task));
    return;
  }
  documents.close();
  parentPort?.close();
});
