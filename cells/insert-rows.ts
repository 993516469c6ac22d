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
    const some = rows.slice(from, from + most);
    await query(textOf(head, some.length, width), some.flat());
  }
}

const texts = new Map<string, string>();

function textOf(head: string, rows: number, width: number): string {
  const key = `${rows} ${width} ${head}`;
  const known = texts.get(key);
  if (known !== undefined) return known;
  const row = (i: number): string =>
    `(${Array.from({ length: width }, (_, j) => `$${i * width + j + 1}`).join(", ")})`;
  const text = `insert into ${head} values ${Array.from({ length: rows }, (_, i) => row(i)).join(", ")}`;
  texts.set(key, text);
  return text;
}
