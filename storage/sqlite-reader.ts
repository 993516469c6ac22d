import Database from "better-sqlite3";
import type { Query } from "./db.ts";
import { Connection } from "./sqlite-connection.ts";
import { storeError } from "./sqlite-errors.ts";

const BUSY_TIMEOUT_MS = 5_000;
const NO_VALUES: readonly unknown[] = [];

/** What reads a database file beside those who write it, also from another thread: committed rows only. */
export interface SqliteReader {
  readonly query: Query;
  /** Looks at the file as it is at the first query, whatever is committed meanwhile. One look at a time. */
  snapshot<T>(look: (query: Query) => Promise<T>): Promise<T>;
  close(): void;
}

/** @param now what `now_ms()` is. @throws ProblemError UNAVAILABLE when the file cannot be opened */
export function openSqliteReader(file: string, now: () => number): SqliteReader {
  const reader = connect(file);
  reader.database.function("now_ms", { directOnly: false }, now);
  const query = ((text: string, values: readonly unknown[] = NO_VALUES) => {
    try {
      return Promise.resolve(reader.run(text, values));
    } catch (error) {
      return Promise.reject(storeError(error, file));
    }
  }) as Query;
  return {
    query,
    snapshot: async (look) => {
      await query("begin");
      try {
        return await look(query);
      } finally {
        await query("commit");
      }
    },
    close: () => reader.database.close(),
  };
}

function connect(file: string): Connection {
  try {
    return new Connection(new Database(file, { readonly: true, timeout: BUSY_TIMEOUT_MS }));
  } catch (error) {
    throw storeError(error, file);
  }
}
