import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Db } from "../../storage/db.ts";
import { migrate } from "../../storage/migrate.ts";
import type { Driver, OpenedDb } from "../support/drivers.ts";

const PUT = "insert into e_rows (id, holder) values ($1, $2)";
const append = `insert into events (seq, id, v, type, actor, at, body)
  values ((select coalesce(max(seq), 0) + 1 from events), $1, 1, 'x.done', 'server', $2, '{}')`;

/** What every driver of the `Db` port does. */
export function dbSuite(driver: Driver): void {
  describe(`Db on ${driver.name}`, () => {
    let opened: OpenedDb;
    let db: Db;

    beforeEach(async () => {
      opened = await driver.open();
      db = opened.db;
      await migrate(db);
      await db.tx([], (query) =>
        query("create table e_rows (id text primary key, holder text, at bigint)"),
      );
    });
    afterEach(() => opened.close());

    const ids = async (): Promise<string[]> =>
      (await db.query<{ id: string }>("select id from e_rows order by id")).map(({ id }) => id);
    const put = (id: string): Promise<unknown> => db.tx([], (query) => query(PUT, [id, null]));

    groups(() => ({ opened, ids, put }));
    transactions(() => ({ opened, ids, put }));
    values(() => opened);
    listening(() => ({ opened, put }));
    time(() => opened);
  });
}

interface Tools {
  readonly opened: OpenedDb;
  readonly put: (id: string) => Promise<unknown>;
  readonly ids: () => Promise<string[]>;
}

function groups(tools: () => Tools): void {
  it("rolls back a body that throws, alone in its group", async () => {
    const { opened, ids, put } = tools();
    const failing = opened.db.tx([], async (query) => {
      await query(PUT, ["b", null]);
      throw new Error("no");
    });
    const results = await Promise.allSettled([put("a"), failing, put("c")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(results[1]).toMatchObject({ reason: new Error("no") });
    expect(await ids()).toEqual(["a", "c"]);
  });

  it("keeps what each body wrote once, and of its values those of the run that counts, when others in its group throw", async () => {
    const { opened, ids } = tools();
    const { db } = opened;
    const seen: Record<string, number> = {};
    const body = (id: string, fails: "never" | "before" | "after") =>
      db.tx([], async (query) => {
        if (fails === "before") throw new Error(id);
        await query(PUT, [id, null]);
        if (fails === "after") throw new Error(id);
        const rows = await query("select id from e_rows");
        seen[id] = rows.length;
        return rows.length;
      });
    const results = await Promise.allSettled([
      body("a", "never"),
      body("b", "before"),
      body("c", "after"),
      body("d", "never"),
      body("e", "after"),
      body("f", "never"),
      body("a", "never"),
    ]);
    expect(results.map((one) => (one.status === "fulfilled" ? one.value : "failed"))).toEqual([
      1,
      "failed",
      "failed",
      2,
      "failed",
      3,
      "failed",
    ]);
    expect(seen).toEqual({ a: 1, d: 2, f: 3 });
    expect(await ids()).toEqual(["a", "d", "f"]);
  });

  it("commits transactions that wait at the same moment together", async () => {
    const { opened, ids, put } = tools();
    const before = opened.commits();
    await Promise.all(Array.from({ length: 50 }, (_, i) => put(`row-${i}`)));
    expect(opened.commits() - before).toBeLessThan(10);
    expect(await ids()).toHaveLength(50);
  });

  it("commits a lone caller at once", async () => {
    const { opened, put } = tools();
    const before = opened.commits();
    await put("a");
    await put("b");
    expect(opened.commits() - before).toBe(2);
  });

  it("rejects every member with UNAVAILABLE when the COMMIT fails, and keeps nothing", async () => {
    const { opened, ids, put } = tools();
    await opened.db.tx([], (query) =>
      query(
        `create table e_children (id text primary key,
           parent text references e_rows (id) deferrable initially deferred)`,
      ),
    );
    const orphan = opened.db.tx([], (query) =>
      query("insert into e_children (id, parent) values ('x', 'nobody')"),
    );
    const results = await Promise.allSettled([put("a"), orphan, put("b")]);
    for (const result of results) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "UNAVAILABLE" } });
    }
    expect(await ids()).toEqual([]);
    await put("later");
    expect(await ids()).toEqual(["later"]);
  });

  it("gives each of 20 rows to exactly one of 40 racing claimers", async () => {
    const { opened } = tools();
    const { db } = opened;
    await db.tx([], async (query) => {
      for (let i = 0; i < 20; i += 1) await query(PUT, [`row-${i}`, null]);
    });
    const claim = (holder: string): Promise<{ id: string }[]> =>
      db.tx(["rows"], (query) =>
        query<{ id: string }>(
          `update e_rows set holder = $1, at = now_ms() where id =
             (select id from e_rows where holder is null order by id limit 1 ${db.dialect.skipLocked})
           returning id`,
          [holder],
        ),
      );
    const claimed = await Promise.all(Array.from({ length: 40 }, (_, i) => claim(`agent-${i}`)));
    const won = claimed.flat().map(({ id }) => id);
    expect(won).toHaveLength(20);
    expect(new Set(won).size).toBe(20);
  });
}

function transactions(tools: () => Tools): void {
  it("shows an open transaction to nobody outside of it", async () => {
    const { opened, ids } = tools();
    const seen = await opened.db.tx([], async (query) => {
      await query(PUT, ["a", null]);
      const inside = await query("select id from e_rows");
      return { inside: inside.length, outside: (await ids()).length };
    });
    expect(seen).toEqual({ inside: 1, outside: 0 });
    expect(await ids()).toEqual(["a"]);
  });

  it("refuses a query that comes after its transaction has ended", async () => {
    const { opened, ids } = tools();
    const kept = await opened.db.tx([], (query) => Promise.resolve({ query }));
    await expect(kept.query(PUT, ["late", null])).rejects.toMatchObject({ code: "INTERNAL" });
    expect(await ids()).toEqual([]);
  });

  it("rolls back a body that awaits something else than its query, and goes on with the others", async () => {
    const { opened, ids, put } = tools();
    let nested: Promise<unknown> = Promise.resolve();
    const stuck = opened.db.tx([], async (query) => {
      await query(PUT, ["stuck", null]);
      nested = put("nested");
      await nested;
    });
    const other = put("other");
    await expect(stuck).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining("awaited something else"),
    });
    await Promise.all([other, nested]);
    expect(await ids()).toEqual(["nested", "other"]);
  });

  it("refuses to write outside a transaction", async () => {
    const { opened, ids } = tools();
    await expect(opened.db.query(PUT, ["a", null])).rejects.toThrow();
    expect(await ids()).toEqual([]);
  });

  it("finishes what is queued before it closes, and refuses what comes later", async () => {
    const { opened } = tools();
    const other = await opened.reopen(opened.clock);
    const queued = other.tx([], (query) => query(PUT, ["queued", null]));
    const again = await opened.reopen(opened.clock);
    await queued;
    expect(await again.query("select id from e_rows")).toEqual([{ id: "queued" }]);
    await expect(other.tx([], () => Promise.resolve())).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });
}

function values(opened: () => OpenedDb): void {
  it("brings back what was stored: text, integers over 2^31, fractions, null; booleans as 0 and 1", async () => {
    const { db } = opened();
    await db.tx([], (query) =>
      query("create table e_values (t text, i bigint, r real, n text, b integer)"),
    );
    const row = ["Grüße 🙂 $1 '", 2 ** 53 - 1, 0.1, null, true];
    await db.tx([], (query) => query("insert into e_values values ($1, $2, $3, $4, $5)", row));
    expect(await db.query("select * from e_values")).toEqual([
      { t: row[0], i: row[1], r: 0.1, n: null, b: 1 },
    ]);
  });

  it("takes one parameter twice, and a list as one JSON parameter", async () => {
    const { db } = opened();
    await db.tx([], async (query) => {
      for (const id of ["a", "b", "c"])
        await query("insert into e_rows (id, holder) values ($1, $1)", [id]);
    });
    const text = `select id from e_rows where id in ${db.dialect.list("$1")} order by id`;
    expect(await db.query(text, [JSON.stringify(["a", "c", "z"])])).toEqual([
      { id: "a" },
      { id: "c" },
    ]);
  });

  it("refuses a missing parameter", async () => {
    await expect(opened().db.query("select $1 as a, $2 as b", [1])).rejects.toThrow();
  });
}

function listening(tools: () => Omit<Tools, "ids">): void {
  it("wakes listeners after a commit with events, and only then", async () => {
    const { opened, put } = tools();
    let wakes = 0;
    const unlisten = await opened.db.listen(() => (wakes += 1));
    await put("a");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(wakes).toBe(0);
    await opened.db.tx([], (query) => query(append, ["1", 1]));
    await expect.poll(() => wakes).toBe(1);
    await unlisten();
    await opened.db.tx([], (query) => query(append, ["2", 1]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(wakes).toBe(1);
  });
}

function time(opened: () => OpenedDb): void {
  const nowIn = async (db: Db): Promise<number | undefined> =>
    (await db.query<{ now: number }>("select now_ms() as now"))[0]?.now;

  it("moves now_ms() with time that passes, not with the wall clock that somebody sets", async () => {
    const { db, clock } = opened();
    const start = db.now();
    expect(start).toBe(clock.now());
    clock.jumpWall(-3_600_000);
    expect(db.now()).toBe(start);
    clock.advance(250);
    expect(db.now()).toBe(start + 250);
    clock.jumpWall(7_200_000);
    expect(await nowIn(db)).toBe(start + 250);
  });

  it("starts now_ms() behind no event, even when the wall clock went back while it was closed", async () => {
    const { db, clock, reopen } = opened();
    const at = db.now();
    await db.tx([], (query) => query(append, ["1", at]));
    clock.jumpWall(-86_400_000);
    const later = await reopen(clock);
    expect(later.now()).toBe(at);
    clock.advance(5);
    expect(await nowIn(later)).toBe(at + 5);
  });
}
