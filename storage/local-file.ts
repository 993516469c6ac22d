import Database from "better-sqlite3";
import { ProblemError } from "../contract/problem.ts";
import { Connection } from "./sqlite-connection.ts";

/** A SQLite file that exactly one process owns. Synchronous: a write has reached the disk when the call returns. */
export interface LocalFile {
  /** Runs a statement with `$n` values, or a script of several without. */
  run(text: string, values?: readonly unknown[]): void;
  all(text: string, values?: readonly unknown[]): unknown[];
  /** All of `body`'s writes or none; the write lock is taken at once. */
  tx<T>(body: () => T): T;
  close(): void;
}

/**
 * Opens or creates the file and locks it until `close` or the end of the process, however it ends.
 * @throws ProblemError CONFLICT when another process has it open.
 */
export function openLocalFile(file: string): LocalFile {
  const database = new Database(file, { timeout: 0 });
  try {
    database.pragma("locking_mode = exclusive");
    database.pragma("journal_mode = wal");
    database.pragma("synchronous = full");
    database.exec("begin immediate; commit");
  } catch (error) {
    database.close();
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith("SQLITE_BUSY"))
      throw error;
    throw new ProblemError("CONFLICT", `${file} is in use by another process`, {
      next: "stop the other process, or choose another folder",
      cause: error,
    });
  }
  const connection = new Connection(database);
  return {
    run: (text, values = []) => void connection.run(text, values),
    all: (text, values = []) => connection.run(text, values),
    tx: (body) => database.transaction(body).immediate(),
    close: () => {
      database.close();
    },
  };
}
