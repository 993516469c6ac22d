import { createHash } from "node:crypto";
import type { Query } from "./db.ts";
import { pageOf, primaryKey } from "./projection-diff.ts";

/** The SHA-256 of every row of the tables, in the order of their primary keys: equal states have equal hashes. */
export async function stateHash(query: Query, tables: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const table of tables.toSorted()) {
    const source = { table, keys: await primaryKey(query, table) };
    hash.update(`${table}\n`);
    let after: Record<string, unknown> | null = null;
    do {
      const rows: Record<string, unknown>[] = await pageOf(query, source, after);
      for (const row of rows) hash.update(`${JSON.stringify(row)}\n`);
      after = rows.at(-1) ?? null;
    } while (after !== null);
  }
  return hash.digest("hex");
}
