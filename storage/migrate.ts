import { readdir, readFile } from "node:fs/promises";
import { ProblemError } from "../contract/problem.ts";
import type { Db, Dialect } from "./db.ts";

/** Beside this file both in the sources and in `dist/`. */
const FOLDER = new URL("./migrations/", import.meta.url);
/** What only SQLite is to read of a migration; to other databases it is a comment. */
const FOR_SQLITE = /\/\*sqlite (.*?)\*\//g;
const FILE = /^(\d{4})_([a-z0-9-]+)(?:\.(sqlite|postgres))?\.sql$/;

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly file: string;
}

/**
 * Brings the schema up to this version: every `NNNN_name.sql` not yet applied, in order, each in its own transaction.
 * A file `NNNN_name.sqlite.sql` or `.postgres.sql` is for that database only, and so is the inside of a comment that
 * begins with `/*sqlite`. Safe when several processes start together.
 * @param folder where the files are; another one than the product's own only in tests
 * @returns the numbers that this call applied
 * @throws ProblemError UNAVAILABLE if the database was written by a newer version
 */
export async function migrate(db: Db, folder: URL = FOLDER): Promise<number[]> {
  const migrations = await list(folder, db.dialect.name);
  await db.tx(["migrate"], (query) =>
    query(
      "create table if not exists e_migrations (number integer primary key, name text not null, at bigint not null)",
    ),
  );
  await refuseNewer(db, migrations.at(-1)?.number ?? 0);
  const applied: number[] = [];
  for (const migration of migrations) {
    const text = await readFile(new URL(migration.file, folder), "utf8");
    if (await applyOnce(db, migration, text)) applied.push(migration.number);
  }
  return applied;
}

async function list(folder: URL, dialect: Dialect["name"]): Promise<Migration[]> {
  const files = (await readdir(folder)).toSorted();
  return files.flatMap((file) => {
    const [, number, name, only] = FILE.exec(file) ?? [];
    if (number === undefined || name === undefined) return [];
    return only === undefined || only === dialect ? [{ number: Number(number), name, file }] : [];
  });
}

async function refuseNewer(db: Db, known: number): Promise<void> {
  const [row] = await db.query<{ newest: number | null }>(
    "select max(number) as newest from e_migrations",
  );
  const newest = row?.newest ?? 0;
  if (newest <= known) return;
  throw new ProblemError(
    "UNAVAILABLE",
    `this data folder was written by a newer gridpost (schema ${newest}; this version knows ${known})`,
    { next: "start the version that wrote it, or a newer one" },
  );
}

/** The row goes in first: of two processes the second sees it, waits for nothing more, and skips. */
function applyOnce(db: Db, { number, name, file }: Migration, text: string): Promise<boolean> {
  return db.tx(["migrate"], async (query) => {
    const inserted = await query(
      `insert into e_migrations (number, name, at) values ($1, $2, now_ms())
       on conflict (number) do nothing returning number`,
      [number, name],
    );
    if (inserted.length === 0) return false;
    await query(db.dialect.name === "sqlite" ? text.replaceAll(FOR_SQLITE, "$1") : text).catch(
      (error: unknown) => {
        if (error instanceof ProblemError) throw error;
        throw new Error(`migration ${file}: ${(error as Error).message}`, { cause: error });
      },
    );
    return true;
  });
}
