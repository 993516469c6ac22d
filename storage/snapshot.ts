import Database from "better-sqlite3";
import type { Query } from "./db.ts";
import { Connection } from "./sqlite-connection.ts";

/** The database as it was at one moment, however long it is looked at. */
export interface Snapshot {
  readonly query: Query;
  close(): void;
}

/** Opens a snapshot of a SQLite file that another connection may go on writing. */
export function openSnapshot(file: string): Snapshot {
  const connection = new Connection(new Database(file, { readonly: true }));
  connection.run("begin", []);
  // The snapshot is taken by the first read.
  connection.run("select 1 from events limit 1", []);
  const query = ((text: string, values: readonly unknown[] = []) =>
    Promise.resolve(connection.run(text, values))) as Query;
  return { query, close: () => void connection.database.close() };
}
