import type Database from "better-sqlite3";

const MAX_STATEMENTS = 2_000;
const APPENDS = /\binsert\s+into\s+events\b/i;

interface Prepared {
  readonly statement: Database.Statement;
  readonly reader: boolean;
  readonly appends: boolean;
}

/** One SQLite connection with its prepared statements, kept by their text. */
export class Connection {
  readonly database: Database.Database;
  /** Set by a statement that inserts into the event log; the owner resets it. */
  appended = false;
  private readonly prepared = new Map<string, Prepared>();

  constructor(database: Database.Database) {
    this.database = database;
  }

  /** Runs one statement, or a script of several when there are no values, and returns its rows. */
  run(text: string, values: readonly unknown[]): unknown[] {
    const known = this.prepared.get(text) ?? this.prepare(text);
    if (known === undefined) {
      this.database.exec(text);
      return [];
    }
    if (known.appends) this.appended = true;
    const { statement } = known;
    if (values.length === 0) return known.reader ? statement.all() : (statement.run(), []);
    const named = bind(values);
    return known.reader ? statement.all(named) : (statement.run(named), []);
  }

  private prepare(text: string): Prepared | undefined {
    const statement = prepareSingle(this.database, text);
    if (statement === undefined) return undefined;
    if (this.database.readonly && !statement.readonly) {
      throw new TypeError(`db.query only reads; write inside db.tx: ${text}`);
    }
    if (this.prepared.size >= MAX_STATEMENTS) this.prepared.clear();
    const entry = { statement, reader: statement.reader, appends: APPENDS.test(text) };
    this.prepared.set(text, entry);
    return entry;
  }
}

function prepareSingle(database: Database.Database, text: string): Database.Statement | undefined {
  try {
    return database.prepare(text);
  } catch (error) {
    if (error instanceof RangeError && error.message.includes("more than one statement"))
      return undefined;
    throw error;
  }
}

/** `$1` is the parameter named "1" to SQLite; booleans are stored as 0 and 1. */
function bind(values: readonly unknown[]): Record<number, unknown> {
  const named: Record<number, unknown> = {};
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    named[i + 1] = typeof value === "boolean" ? Number(value) : value;
  }
  return named;
}
