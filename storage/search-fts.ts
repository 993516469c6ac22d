import { ProblemError } from "../contract/problem.ts";
import { startThread } from "../runtime/thread.ts";
import type { Query } from "./db.ts";
import type { Found, SearchIndex } from "./search.ts";
import type { SearchAnswer, SearchFiles, SearchTask } from "./search-worker.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type Question = SearchTask extends infer T ? (T extends unknown ? Omit<T, "id"> : never) : never;

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
  worker.on("message", ({ id, result, error }: SearchAnswer) => {
    const task = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) task?.resolve(result);
    else task?.reject(unavailable(error));
  });
  worker.on("error", end);
  const exited = new Promise<void>((resolve) => {
    worker.on("exit", () => {
      end(undefined);
      resolve();
    });
  });
  const ask = (question: Question): Promise<unknown> => {
    if (ended !== undefined) return Promise.reject(ended);
    const task: SearchTask = { id: (tasks += 1), ...question };
    return new Promise((resolve, reject) => {
      waiting.set(task.id, { resolve, reject });
      worker.postMessage(task);
    });
  };
  return {
    search: async (request) => (await ask({ kind: "search", request })) as Found,
    // As the caller of any query, this one says what the rows are.
    query: ((text, values = []) => ask({ kind: "query", text, values })) as Query,
    catchUp: async () => void (await ask({ kind: "index" })),
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
