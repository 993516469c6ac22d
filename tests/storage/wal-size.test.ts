import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { migrate } from "../../storage/migrate.ts";
import { openSnapshot } from "../../storage/snapshot.ts";
import { openSqlite } from "../../storage/sqlite.ts";

it("gives back the room that the write-ahead log took while somebody looked at a snapshot", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-wal-"));
  const file = join(folder, "a.db");
  const db = openSqlite({ file });
  await migrate(db);
  const write = (): Promise<unknown> =>
    db.tx([], (query) =>
      query("insert into e_cursors (name, seq) values (hex(randomblob(4 << 20)), 0)"),
    );
  const walSize = async (): Promise<number> => (await stat(`${file}-wal`)).size;
  const snapshot = openSnapshot(file);
  for (let i = 0; i < 20; i += 1) await write();
  const grown = await walSize();
  snapshot.close();
  // The first ends the log, the second begins it anew.
  for (let i = 0; i < 2; i += 1) await write();
  expect(await walSize()).toBeLessThan(grown);
  await db.close();
  await rm(folder, { recursive: true });
}, 60_000);
