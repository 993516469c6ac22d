import type { Query } from "../storage/db.ts";

/** SQLite and PostgreSQL both take at least so many parameters in a statement. */
const MAX_PARAMETERS = 900;

/** `insert into <head> values (…), (…)` for any number of rows, in few statements whose texts repeat. */
export async function insertRows(
  query: Query,
  head: string,
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  const width = rows[0]?.length ?? 1;
  const most = Math.floor(MAX_PARAMETERS / width);
  for (let from = 0; from < rows.length; from += most) {
    const to = Math.min(from + most, rows.length);
    const values: unknown[] = [];
    for (let i = from; i < to; i += 1) values.push(...(rows[i] ?? []));
    await query(textOf(head, to - from, width), values);
  }
}

/** By head, then by number of rows. */
const texts = new Map<string, string[]>();

function textOf(head: string, rows: number, width: number): string {
  const known = texts.get(head) ?? [];
  texts.set(head, known);
  const row = (i: number): string =>
    `(${Array.from({ length: width }, (_, j) => `$${i * width + j + 1}`).join(", ")})`;
  return (known[rows] ??=
    `insert into ${head} values ${Array.from({ length: rows }, (_, i) => row(i)).join(", ")}`);
}
