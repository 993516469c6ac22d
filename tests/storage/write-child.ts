import { openLog } from "../../storage/event-log.ts";
import { migrate } from "../../storage/migrate.ts";
import { openSqlite } from "../../storage/sqlite.ts";

/** Appends events for ever and prints the id of each one that was acknowledged, until it is killed. */
const db = openSqlite({ file: process.argv[2] ?? "" });
await migrate(db);
const ignore = { name: "x", tables: [], apply: { "x.done": () => Promise.resolve() } };
const log = openLog({ db, projections: [ignore] });
const event = { type: "x.done", project: null, actor: "server", body: { text: "x".repeat(500) } };

async function write(): Promise<never> {
  for (;;) {
    const { id } = await log.tx([], (tx) => tx.append(event));
    process.stdout.write(`${id}\n`);
  }
}
await Promise.all(Array.from({ length: 16 }, write));
