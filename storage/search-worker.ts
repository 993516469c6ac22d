import { parentPort, workerData } from "node:worker_threads";
import { FtsDocuments } from "./fts-documents.ts";
import type { Found, SearchRequest } from "./search.ts";

/** What the worker is asked; without a request it only indexes. */
export interface SearchTask {
  readonly id: number;
  readonly request: SearchRequest | null;
}

export interface SearchAnswer {
  readonly id: number;
  readonly found?: Found | null;
  /** Why it failed. */
  readonly error?: string;
}

export interface SearchFiles {
  readonly file: string;
  readonly source: string;
}

const { file, source } = workerData as SearchFiles;
const documents = new FtsDocuments(file, source);

function answer({ id, request }: SearchTask): SearchAnswer {
  try {
    while (documents.advance());
    return { id, found: request === null ? null : documents.search(request) };
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
