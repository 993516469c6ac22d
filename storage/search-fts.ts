import { ProblemError } from "../contract/problem.ts";
import { askedThread } from "../runtime/asked-thread.ts";
import type { Query } from "./db.ts";
import type { Found, SearchIndex } from "./search.ts";
import type { SearchFiles, SearchTask } from "./search-worker.ts";

/** Opens the FTS5 index of a SQLite database, in a thread of its own; see `FtsDocuments`. */
export function openFtsIndex(files: SearchFiles): SearchIndex {
  const module = new URL("search-worker.ts", import.meta.url);
  const thread = askedThread<SearchTask, unknown>(module, files);
  const ask = (task: SearchTask): Promise<unknown> =>
    thread.ask(task).catch((error: unknown) => {
      throw unavailable(error);
    });
  return {
    search: async (request) => (await ask({ kind: "search", request })) as Found,
    // As the caller of any query, this one says what the rows are.
    query: ((text, values = []) => ask({ kind: "query", text, values })) as Query,
    catchUp: async () => void (await ask({ kind: "index" })),
    close: () => thread.close(),
  };
}

const unavailable = (cause: unknown): ProblemError =>
  new ProblemError(
    "UNAVAILABLE",
    `the search index does not answer: ${cause instanceof Error ? cause.message : "its thread has ended"}`,
    {
      next: "repeat the search; if it goes on, stop the server, remove search.db* from its data folder and start it",
      cause,
    },
  );
