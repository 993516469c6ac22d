import Database from "better-sqlite3";
import type { Db, Query } from "../storage/db.ts";
import type { Timed } from "./measure.ts";

/** One statement as a transaction sent it. */
interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The statements of one transaction, in order. */
export type Recorded = readonly Statement[];

/** A database that also writes down every transaction's statements and values. */
export function recording(db: Db): { readonly db: Db; readonly transactions: Recorded[] } {
  const transactions: Recorded[] = [];
  const tx: Db["tx"] = (keys, fn) =>
    db.tx(keys, async (query) => {
      const statements: Statement[] = [];
      const noted = ((text: string, values: readonly unknown[] = []) => {
        statements.push(placed(text, values));
        return query(text, values);
      }) as Query;
      const result = await fn(noted);
      transactions.push(statements);
      return result;
    });
  return { db: { ...db, now: () => db.now(), tx }, transactions };
}

const PARAMETER = /\$(\d+)/g;

/** With `?` for each parameter, which better-sqlite3 binds faster than names. */
const placed = (text: string, values: readonly unknown[]): Statement => ({
  text: text.replaceAll(PARAMETER, "?"),
  values: [...text.matchAll(PARAMETER)].map(([, n]) => {
    const value = values[Number(n) - 1];
    return typeof value === "boolean" ? Number(value) : value;
  }),
});

/** The raw limit: better-sqlite3 with the settings of the store, prepared statements and ready values. */
export function openRaw(file: string): Database.Database {
  const database = new Database(file);
  database.pragma("journal_mode = wal");
  database.pragma("synchronous = full");
  database.pragma("foreign_keys = on");
  database.pragma("temp_store = memory");
  database.function("now_ms", () => Date.now());
  return database;
}

/** Statements of one transaction, ready to run. */
export type Body = readonly (() => unknown)[];

/** Recorded transactions as prepared statements with their values, for a copy of the file that they ran on. */
export function ready(database: Database.Database, transactions: readonly Recorded[]): Body[] {
  const prepared = new Map<string, Database.Statement>();
  for (const { text } of transactions.flat())
    if (!prepared.has(text)) prepared.set(text, database.prepare(text));
  return transactions.map((statements) =>
    statements.map(({ text, values }) => {
      const statement = prepared.get(text) as Database.Statement;
      return (): unknown => (statement.reader ? statement.all(values) : statement.run(values));
    }),
  );
}

/** Commits `group` bodies at a time; each took as long as its commit did. */
export function inGroups(
  database: Database.Database,
  bodies: readonly Body[],
  group: number,
): Timed {
  const begin = database.prepare("begin immediate");
  const commit = database.prepare("commit");
  const times: number[] = [];
  const start = performance.now();
  for (let i = 0; i < bodies.length; i += group) {
    const some = bodies.slice(i, i + group);
    const from = performance.now();
    begin.run();
    for (const body of some) for (const statement of body) statement();
    commit.run();
    const took = performance.now() - from;
    for (let member = 0; member < some.length; member += 1) times.push(took);
  }
  return { times, tookMs: performance.now() - start };
}
