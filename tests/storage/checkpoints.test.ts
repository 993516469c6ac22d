import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { registerAgent } from "../../mailbox/agents.ts";
import { mailboxProjection } from "../../mailbox/projection.ts";
import { startCheckpoints } from "../../storage/checkpoints.ts";
import { openLog } from "../../storage/event-log.ts";
import { migrate } from "../../storage/migrate.ts";
import { openSqlite } from "../../storage/sqlite.ts";

it("has committed events in the database's own file soon, while it goes on being written", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-checkpoints-"));
  const file = join(folder, "a.db");
  const db = openSqlite({ file });
  await migrate(db);
  const failures: unknown[] = [];
  const checkpoints = await startCheckpoints(db, file, (error) => failures.push(error));
  const log = openLog({ db, projections: [mailboxProjection] });
  let appended = 0;
  const append = async (): Promise<void> => {
    const name = `blue-${(appended += 1)}`;
    const owner = "user:anna";
    await log.tx([], (tx) => registerAgent(tx, { project: "default", owner, actor: owner, name }));
  };
  /** How many events there would be without the write-ahead log. */
  const inFile = async (): Promise<number> => {
    const copy = join(folder, "copy.db");
    await copyFile(file, copy);
    const alone = new Database(copy);
    try {
      return (alone.prepare("select count(*) as n from events").get() as { n: number }).n;
    } catch {
      return 0;
    } finally {
      alone.close();
      await rm(copy);
    }
  };
  for (let i = 0; i < 50; i += 1) await append();
  await expect
    .poll(
      async () => {
        await append();
        return inFile();
      },
      { timeout: 15_000 },
    )
    .toBeGreaterThanOrEqual(50);
  await checkpoints.stop();
  expect(failures).toEqual([]);
  await db.close();
  await rm(folder, { recursive: true });
});
