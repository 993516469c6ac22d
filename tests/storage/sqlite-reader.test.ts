import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSqlite } from "../../storage/sqlite.ts";
import { openSqliteReader } from "../../storage/sqlite-reader.ts";

it("looks at one state of the file, and the next time at the newest", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-reader-"));
  const file = join(folder, "gridpost.db");
  const db = openSqlite({ file });
  await db.tx([], (query) => query("create table things (n integer primary key)"));
  const reader = openSqliteReader(file, () => 0);
  const look = () =>
    reader.snapshot(async (query) => {
      const before = await query("select n from things");
      await db.tx([], (write) => write("insert into things default values"));
      return [before.length, (await query("select n from things")).length];
    });
  expect(await look()).toEqual([0, 0]);
  expect(await look()).toEqual([1, 1]);
  const failed = reader.snapshot(() => Promise.reject(new Error("no")));
  await expect(failed).rejects.toThrow("no");
  expect(await look()).toEqual([2, 2]);
  reader.close();
  await db.close();
  await rm(folder, { recursive: true });
});
