import { migrate } from "../../storage/migrate.ts";
import { openSqlite } from "../../storage/sqlite.ts";

/** Migrates the file given as argument and prints the numbers that it applied. */
const db = openSqlite({ file: process.argv[2] ?? "" });
process.stdout.write(JSON.stringify(await migrate(db)));
await db.close();
