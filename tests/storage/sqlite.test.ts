import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openLog } from "../../storage/event-log.ts";
import { migrate } from "../../storage/migrate.ts";
import { openSqlite } from "../../storage/sqlite.ts";
import { storeError } from "../../storage/sqlite-errors.ts";
import { drivers } from "../support/drivers.ts";
import { dbSuite } from "../suites/db.suite.ts";
import { deadlinesSuite } from "../suites/deadlines.suite.ts";
import { logSuite } from "../suites/log.suite.ts";
import { readersSuite } from "../suites/readers.suite.ts";

for (const driver of drivers) {
  dbSuite(driver);
  logSuite(driver);
  readersSuite(driver);
  deadlinesSuite(driver);
}

describe("a SQLite data folder", () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-sqlite-"));
    file = join(folder, "gridpost.db");
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("is migrated once when three processes start together", async () => {
    const runs = await Promise.all(
      [1, 2, 3].map(() => promisify(execFile)(...child("migrate", file))),
    );
    const applied = runs.map(({ stdout }) => JSON.parse(stdout) as number[]);
    expect(applied.flat().toSorted((a, b) => a - b)).toEqual(
      [...new Set(applied.flat())].toSorted((a, b) => a - b),
    );
    const db = openSqlite({ file });
    expect(await migrate(db)).toEqual([]);
    await db.close();
  });

  it("gives later ids to what comes later, also where the wall clock was set back over a restart", async () => {
    const ahead = Date.now() + 3_600_000;
    const clock = vi.spyOn(Date, "now").mockReturnValue(ahead);
    const before = openSqlite({ file });
    await migrate(before);
    const projections = [{ name: "silent", tables: [], apply: { said: () => Promise.resolve() } }];
    const said = { type: "said", project: null, actor: "server", body: {} };
    const { id } = await openLog({ db: before, projections }).tx([], (tx) => tx.append(said));
    await before.close();
    clock.mockRestore();
    // As a new process loads them.
    vi.resetModules();
    const { openSqlite: openAnew } = await import("../../storage/sqlite.ts");
    const { newId } = await import("../../contract/ids.ts");
    const after = openAnew({ file });
    expect(newId() > id).toBe(true);
    await after.close();
  });

  it("keeps every acknowledged event when the process is killed", async () => {
    const acknowledged = await writeAndKill(file, 300);
    const db = openSqlite({ file });
    const rows = await db.query<{ seq: number; id: string }>(
      "select seq, id from events order by seq",
    );
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1));
    const stored = new Set(rows.map(({ id }) => id));
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    await db.close();
  });

  it("is written ahead and synced at each COMMIT, because a killed machine forgets what a killed process keeps", async () => {
    const db = openSqlite({ file });
    const settings = await db.tx([], async (query) => [
      await query("pragma journal_mode"),
      await query("pragma synchronous"),
      await query("pragma foreign_keys"),
    ]);
    expect(settings.flat()).toEqual([
      { journal_mode: "wal" },
      { synchronous: 2 },
      { foreign_keys: 1 },
    ]);
    await db.close();
  });

  it("says what to do when the disk is full, and loses only what did not fit", async () => {
    const db = openSqlite({ file });
    await db.tx([], (query) => query("create table e_rows (id text primary key, body text)"));
    await db.tx([], (query) => query("pragma max_page_count = 20"));
    const put = (id: string, body: string): Promise<unknown> =>
      db.tx([], (query) => query("insert into e_rows values ($1, $2)", [id, body]));
    await expect(put("big", "x".repeat(200_000))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("the disk is full"),
      next: expect.stringContaining("free space"),
    });
    await put("small", "x");
    expect(await db.query("select id from e_rows")).toEqual([{ id: "small" }]);
    await db.close();
  });

  it("says the same when a full disk leaves no room for the index of the write-ahead log", () => {
    const full = new Database.SqliteError("disk I/O error", "SQLITE_IOERR_SHMSIZE");
    expect(storeError(full, file)).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("the disk is full"),
      next: expect.stringContaining("free space"),
    });
  });

  it("refuses a damaged file with what to do", async () => {
    await writeFile(file, "this is not a database, however long it may be".repeat(100));
    expect(() => openSqlite({ file })).toThrow(
      expect.objectContaining({
        code: "UNAVAILABLE",
        next: expect.stringContaining("archive restore"),
      }),
    );
  });

  it("says what to do when the file cannot be written", async () => {
    const db = openSqlite({ file });
    await db.tx([], (query) => query("pragma query_only = on"));
    await expect(
      db.tx([], (query) => query("create table e_rows (id text)")),
    ).rejects.toMatchObject({
      code: "UNAVAILABLE",
      next: expect.stringContaining("writable"),
    });
    await db.close();
  });
});

function child(what: "migrate" | "write", file: string): [string, string[]] {
  const script = fileURLToPath(new URL(`./${what}-child.ts`, import.meta.url));
  return [process.execPath, ["--import", "tsx", script, file]];
}

/** Runs the writing child until it has acknowledged `count` events, then SIGKILLs it. */
async function writeAndKill(file: string, count: number): Promise<string[]> {
  const writer = spawn(...child("write", file), { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged: string[] = [];
  for await (const line of createInterface(writer.stdout)) {
    acknowledged.push(line);
    if (acknowledged.length === count) writer.kill("SIGKILL");
  }
  return acknowledged;
}
