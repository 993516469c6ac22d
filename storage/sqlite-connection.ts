import type Database from "better-sqlite3";

const MAX_STATEMENTS = 2_000;
const APPENDS = /\binsert\s+into\s+events\b/i;
const PARAMETER = /\$(\d+)/g;

interface Prepared {
  readonly statement: Database.Statement;
  /** Names of the columns of its rows; undefined for a statement that returns none. */
  readonly columns: readonly string[] | undefined;
  readonly writes: boolean;
  readonly appends: boolean;
  /** Which value goes to each place of the statement, counted from 0. */
  readonly order: readonly number[];
}

/** Orders `[]`, `[0]`, `[0, 1]`, …: those of nearly all statements, told by identity. */
const IN_ORDER: (readonly number[])[] = [];

function shared(order: readonly number[]): readonly number[] {
  if (order.some((place, i) => place !== i)) return order;
  return (IN_ORDER[order.length] ??= order);
}

/** One SQLite connection with its prepared statements, kept by their text. */
export class Connection {
  readonly database: Database.Database;
  /** Set by a statement that inserts into the event log; the owner resets it. */
  appended = false;
  /** Set by a statement that may change something; the owner resets it. */
  wrote = false;
  private readonly prepared = new Map<string, Prepared>();

  constructor(database: Database.Database) {
    this.database = database;
  }

  /** Runs one statement, or a script of several when there are no values, and returns its rows. */
  run(text: string, values: readonly unknown[]): unknown[] {
    const known = this.prepared.get(text) ?? this.prepare(text);
    if (known === undefined) {
      this.wrote = true;
      this.database.exec(text);
      return [];
    }
    if (known.writes) this.wrote = true;
    if (known.appends) this.appended = true;
    const bound = bind(values, known.order);
    if (known.columns !== undefined)
      return rowsOf(known.columns, known.statement.all(bound) as unknown[][]);
    known.statement.run(bound);
    return [];
  }

  private prepare(text: string): Prepared | undefined {
    // Places are bound in half the time that names take.
    const statement = prepareSingle(this.database, text.replaceAll(PARAMETER, "?"));
    if (statement === undefined) return undefined;
    if (this.database.readonly && !statement.readonly) {
      throw new TypeError(`db.query only reads; write inside db.tx: ${text}`);
    }
    if (this.prepared.size >= MAX_STATEMENTS) this.prepared.clear();
    const order = shared([...text.matchAll(PARAMETER)].map(([, n]) => Number(n) - 1));
    const entry = {
      statement: statement.reader ? statement.raw() : statement,
      columns: statement.reader ? statement.columns().map(({ name }) => name) : undefined,
      writes: !statement.readonly,
      appends: APPENDS.test(text),
      order,
    };
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

/** Rows by column. The driver makes arrays in half the time that it takes for objects. */
function rowsOf(columns: readonly string[], rows: readonly (readonly unknown[])[]): unknown[] {
  return rows.map((values) => {
    const row: Record<string, unknown> = {};
    for (let i = 0; i < columns.length; i += 1) row[columns[i] as string] = values[i];
    return row;
  });
}

/** The values in the order of the places; booleans are stored as 0 and 1. */
function bind(values: readonly unknown[], order: readonly number[]): readonly unknown[] {
  if (order === IN_ORDER[values.length] && !holdsBoolean(values)) return values;
  return order.map((place) => {
    if (place >= values.length)
      throw new RangeError(`the statement has no value for its parameter $${place + 1}`);
    const value = values[place];
    return isBoolean(value) ? Number(value) : value;
  });
}

/** A loop, because this runs for every statement. */
function holdsBoolean(values: readonly unknown[]): boolean {
  for (const value of values) if (isBoolean(value)) return true;
  return false;
}

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
