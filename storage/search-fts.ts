import { ProblemError } from "../contract/problem.ts";
import { startThread } from "../runtime/thread.ts";
import type { Found, SearchIndex, SearchRequest } from "./search.ts";
import type { SearchAnswer, SearchFiles, SearchTask } from "./search-worker.ts";

interface Waiting {
  readonly resolve: (found: Found) => void;
  readonly reject: (error: Error) => void;
}

const NOTHING: Found = { hits: [], newestOnly: false };

/** Opens the FTS5 index of a SQLite database, in a thread of its own; see `FtsDocuments`. */
export function openFtsIndex(files: SearchFiles): SearchIndex {
  const worker = startThread(new URL("search-worker.ts", import.meta.url), files);
  const waiting = new Map<number, Waiting>();
  let ended: Error | undefined;
  let tasks = 0;

  const end = (error: unknown): void => {
    ended = unavailable(error instanceof Error ? error.message : "its worker has ended");
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on("message", ({ id, found, error }: SearchAnswer) => {
    const task = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) task?.resolve(found ?? NOTHING);
    else task?.reject(unavailable(error));
  });
  worker.on("error", end);
  const exited = new Promise<void>((resolve) => {
    worker.on("exit", () => {
      end(undefined);
      resolve();
    });
  });
  const ask = (request: SearchRequest | null): Promise<Found> => {
    if (ended !== undefined) return Promise.reject(ended);
    const task: SearchTask = { id: (tasks += 1), request };
    return new Promise((resolve, reject) => {
      waiting.set(task.id, { resolve, reject });
      worker.postMessage(task);
    });
  };
  return {
    search: ask,
    catchUp: async () => void (await ask(null)),
    close: () => {
      worker.postMessage(null);
      return exited;
    },
  };
}

const unavailable = (reason: string): ProblemError =>
  new ProblemError("UNAVAILABLE", `the search index does not answer: ${reason}`, {
    next: "repeat the search; if it goes on, stop the server, remove search.db* from its data folder and start it",
  });
