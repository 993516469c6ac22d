import { isDeepStrictEqual } from "node:util";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "./db.ts";

const PAGE = 500;

type Row = Record<string, unknown>;

/** A database, or a snapshot of one. */
export interface Readable {
  readonly query: Query;
}

/** The first place where two databases disagree. */
export interface Difference {
  readonly table: string;
  /** The primary key of the row, by column. */
  readonly key: Row;
  /** The column that differs; `null` when one side lacks the row. */
  readonly column: string | null;
  /** The two values, or the two rows of which one is `undefined`. */
  readonly a: unknown;
  readonly b: unknown;
}

/**
 * Compares tables row by row in the order of their primary keys.
 * @returns the first difference, or `null` if all are equal
 */
export async function diffProjections(
  a: Readable,
  b: Readable,
  tables: readonly string[],
): Promise<Difference | null> {
  for (const table of tables) {
    const difference = await diffTable(a, b, table);
    if (difference !== null) return difference;
  }
  return null;
}

async function diffTable(a: Readable, b: Readable, table: string): Promise<Difference | null> {
  const source: Source = { table, keys: await primaryKey(a.query, table) };
  let after: Row | null = null;
  for (;;) {
    const left: Row[] = await pageOf(a.query, source, after);
    const right: Row[] = await pageOf(b.query, source, after);
    const length = Math.max(left.length, right.length);
    for (let i = 0; i < length; i += 1) {
      if (isDeepStrictEqual(left[i], right[i])) continue;
      return diffRows(source, left[i], right[i]);
    }
    after = left.at(-1) ?? null;
    if (left.length < PAGE) return null;
  }
}

/** Of two unequal rows at the same place of the order: the same key, or one key that the other side lacks. */
function diffRows({ table, keys }: Source, a: Row | undefined, b: Row | undefined): Difference {
  const keyA = a === undefined ? undefined : keyOf(a, keys);
  const keyB = b === undefined ? undefined : keyOf(b, keys);
  if (a !== undefined && b !== undefined && isDeepStrictEqual(keyA, keyB)) {
    const column = Object.keys(a).find((name) => !isDeepStrictEqual(a[name], b[name])) ?? null;
    const [valueA, valueB] = column === null ? [a, b] : [a[column], b[column]];
    return { table, key: keyOf(a, keys), column, a: valueA, b: valueB };
  }
  if (keyA !== undefined && (keyB === undefined || isBefore(keyA, keyB))) {
    return { table, key: keyA, column: null, a, b: undefined };
  }
  return { table, key: keyB ?? {}, column: null, a: undefined, b };
}

/** The order of SQLite's default collation: numbers before text, text by its UTF-8 bytes. */
function isBefore(a: Row, b: Row): boolean {
  for (const [name, x] of Object.entries(a)) {
    const y = b[name];
    if (x === y) continue;
    if (typeof x === "number") return typeof y !== "number" || x < y;
    return (
      typeof y !== "number" && Buffer.compare(Buffer.from(String(x)), Buffer.from(String(y))) < 0
    );
  }
  return false;
}

const keyOf = (row: Row, keys: readonly string[]): Row =>
  Object.fromEntries(keys.map((key) => [key, row[key]]));

export interface Source {
  readonly table: string;
  readonly keys: readonly string[];
}

/** The columns of a table's primary key, in order. @throws ProblemError INTERNAL if it has none */
export async function primaryKey(query: Query, table: string): Promise<string[]> {
  const rows = await query<{ name: string }>(
    "select name from pragma_table_info($1) where pk > 0 order by pk",
    [table],
  );
  if (rows.length > 0) return rows.map(({ name }) => name);
  throw new ProblemError(
    "INTERNAL",
    `the projection table ${table} has no primary key, or does not exist`,
    {
      next: "give the table a primary key in its migration",
    },
  );
}

/** The next rows of a table in the order of its primary key. */
export function pageOf(query: Query, { table, keys }: Source, after: Row | null): Promise<Row[]> {
  const order = keys.join(", ");
  if (after === null) return query(`select * from ${table} order by ${order} limit ${PAGE}`);
  const params = keys.map((_, i) => `$${i + 1}`).join(", ");
  return query(
    `select * from ${table} where (${order}) > (${params}) order by ${order} limit ${PAGE}`,
    keys.map((key) => after[key]),
  );
}
