import { parentPort, workerData } from "node:worker_threads";
import { FtsDocuments } from "./fts-documents.ts";
import type { SearchRequest } from "./search.ts";

/** When nobody has asked for so long, there is time to tidy up. */
const REST_MS = 250;

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

let rest: NodeJS.Timeout | undefined;

/** Goes on until nothing is left to do or somebody asks. */
function tidy(): void {
  try {
    if (documents.tidy()) rest = setTimeout(tidy);
  } catch {
    // The next task meets whatever is in the way, and there somebody hears of it.
  }
}

parentPort?.on("message", (task: SearchTask | null) => {
  clearTimeout(rest);
  if (task !== null) {
    parentPort?.postMessage(answer(task));
    rest = setTimeout(tidy, REST_MS);
    return;
  }
  documents.close();
  parentPort?.close();
});
