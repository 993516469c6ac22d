import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { openLog } from "../../storage/event-log.ts";
import type { Call } from "../../storage/idempotency.ts";
import { diffProjections } from "../../storage/projection-diff.ts";
import { replay } from "../../storage/replay.ts";
import type { News } from "../../storage/tail.ts";
import type { Driver } from "../support/drivers.ts";
import { add, type Bench, openMigrated, tallies, useBench } from "../support/log-bench.ts";

/** What the event log does on every driver. */
export function logSuite(driver: Driver): void {
  describe(`event log on ${driver.name}`, () => {
    const bench = useBench(driver);
    appending(bench);
    following(bench);
    idempotent(bench);
    replaying(bench);
  });
}

function appending(bench: () => Bench): void {
  it("appends events and applies them in one transaction", async () => {
    const { log, db, clock } = bench();
    const event = await log.tx([], (tx) => add(tx, "a", 3));
    expect(await db.query("select * from p_tallies")).toEqual([
      { name: "a", total: 3, last: event.id },
    ]);
    expect(await db.query("select * from events")).toEqual([
      { ...event, seq: 1, v: 1, at: clock.now(), key: null, body: '{"name":"a","n":3}' },
    ]);
  });

  it("refuses an event type that no projection applies, and keeps nothing of its transaction", async () => {
    const { log, seqs } = bench();
    const unknown = log.tx([], async (tx) => {
      await add(tx);
      await tx.append({ type: "tally.forgotten", project: null, actor: "server", body: {} });
    });
    await expect(unknown).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("tally.forgotten"),
    });
    expect(await seqs()).toEqual([]);
  });

  it("numbers events without a gap, whatever rolls back", async () => {
    const { log, seqs } = bench();
    const plan = fc.array(
      fc.record({ events: fc.integer({ min: 0, max: 4 }), fails: fc.boolean() }),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(plan, async (transactions) => {
        await Promise.allSettled(
          transactions.map(({ events, fails }) =>
            log.tx([], async (tx) => {
              for (let i = 0; i < events; i += 1) await add(tx);
              if (fails) throw new Error("rolled back");
            }),
          ),
        );
        const all = await seqs();
        expect(all).toEqual(all.map((_, i) => i + 1));
      }),
      { numRuns: 25 },
    );
  });

  it("gives events times that never run backwards", async () => {
    const { log, db, clock } = bench();
    await log.tx([], (tx) => add(tx));
    clock.jumpWall(-60_000);
    await log.tx([], (tx) => add(tx));
    clock.advance(10);
    await log.tx([], (tx) => add(tx));
    const times = (await db.query<{ at: number }>("select at from events order by seq")).map(
      ({ at }) => at,
    );
    expect(times.map((at) => at - (times[0] ?? 0))).toEqual([0, 0, 10]);
  });
}

function following(bench: () => Bench): void {
  it("tells followers what was appended, when it is committed, and nothing of what was rolled back", async () => {
    const { log } = bench();
    const told: unknown[] = [];
    const onNews = (news: News): void =>
      void told.push(...(news?.map(({ body }) => body) ?? ["something"]));
    const unfollow = [await log.follow(onNews), await log.follow(onNews)];
    const lost = log.tx([], async (tx) => {
      await add(tx, "lost");
      throw new Error("rolled back");
    });
    await Promise.allSettled([lost, log.tx([], (tx) => add(tx, "a", 1))]);
    await log.tx([], (tx) => add(tx, "b", 2));
    const expected = [
      { name: "a", n: 1 },
      { name: "b", n: 2 },
    ];
    await expect.poll(() => told.length).toBe(4);
    expect(told).toEqual(expect.arrayContaining([...expected, ...expected]));
    for (const one of unfollow) await one();
    await log.tx([], (tx) => add(tx, "c"));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(told).toHaveLength(4);
  });

  it("tells followers to look where something was appended by others, whether or not it is woken", async () => {
    const { log, db, withDeadlines } = bench();
    const deaf = openLog({
      db: { ...db, listen: () => Promise.resolve(() => Promise.resolve()) },
      projections: [tallies],
    });
    const heard = new Map<object, News[]>([log, deaf].map((one) => [one, []]));
    const unfollow = [log, deaf].map((one) =>
      one.follow((news) => void heard.get(one)?.push(news)),
    );
    await Promise.all(unfollow);
    await withDeadlines({}).tx([], (tx) => add(tx));
    await expect.poll(() => heard.get(log)?.[0]).toBeNull();
    await expect.poll(() => heard.get(deaf), { timeout: 3_000 }).toEqual([null]);
    for (const one of unfollow) await (await one)();
  });
}

function idempotent(bench: () => Bench): void {
  const call = (over: Partial<Call> = {}): Call => ({
    principal: "agent:default/a",
    endpoint: "mailbox.send",
    key: "k1",
    hash: "h1",
    ref: newId(),
    keys: [],
    ...over,
  });
  const run = (one: Call, { once } = bench().log): Promise<string> =>
    once(
      one,
      async (tx, ref) => {
        await add(tx);
        await add(tx);
        return `made ${ref}`;
      },
      (_query, ref) => Promise.resolve(`again ${ref}`),
    );

  it("runs a call with a key once, and rebuilds its reply from the first call's ref", async () => {
    const first = call();
    expect(await run(first)).toBe(`made ${first.ref}`);
    expect(await run(call())).toBe(`again ${first.ref}`);
    const { key, endpoint, hash, ref } = first;
    const events = await bench().db.query<{ key: string | null }>(
      "select key from events order by seq",
    );
    expect(events).toEqual([{ key: JSON.stringify({ key, endpoint, hash, ref }) }, { key: null }]);
  });

  it("runs two simultaneous calls with one key once", async () => {
    const replies = await Promise.all([run(call()), run(call())]);
    expect(replies.map((reply) => reply.split(" ")[0])).toEqual(["made", "again"]);
  });

  it("refuses the key with another body or for another endpoint", async () => {
    await run(call());
    for (const other of [{ hash: "h2" }, { endpoint: "mailbox.reply" }]) {
      await expect(run(call(other))).rejects.toMatchObject({ code: "IDEMPOTENCY_MISMATCH" });
    }
  });

  it("keeps keys apart by principal, and runs calls without a key each time", async () => {
    const calls = [
      call(),
      call({ principal: "agent:default/b" }),
      call({ key: null }),
      call({ key: null }),
    ];
    for (const one of calls) expect(await run(one)).toBe(`made ${one.ref}`);
  });

  it("does not remember a call that failed", async () => {
    const failing = bench().log.once(
      call(),
      () => Promise.reject(new Error("no")),
      () => Promise.resolve(),
    );
    await expect(failing).rejects.toThrow("no");
    const again = call();
    expect(await run(again)).toBe(`made ${again.ref}`);
  });

  it("forgets a key after 24 hours, and removes what it forgot", async () => {
    const { clock, db } = bench();
    await run(call());
    clock.advance(24 * 3_600_000 - 1);
    expect(await run(call())).toMatch(/^again/);
    clock.advance(1);
    expect(await run(call())).toMatch(/^made/);
    clock.advance(24 * 3_600_000);
    for (let i = 0; i < 64; i += 1) await run(call({ key: `other-${i}` }));
    expect(await db.query("select key from e_idempotency where key = 'k1'")).toEqual([]);
  });

  it("removes all that it forgot, about as many calls later", async () => {
    const { clock, db, log } = bench();
    for (let i = 0; i < 600; i += 1) await run(call({ key: `old-${i}` }), log);
    clock.advance(24 * 3_600_000);
    for (let i = 0; i < 640; i += 1) await run(call({ key: `new-${i}` }), log);
    expect(await db.query("select key from e_idempotency where key like 'old-%'")).toEqual([]);
  });

  it("remembers what the server did about an event until every reader has passed the event", async () => {
    const { clock, db, log } = bench();
    const own = (): Call => call({ principal: "server" });
    const others = async (name: string): Promise<void> => {
      for (let i = 0; i < 64; i += 1) await run(call({ key: `${name}-${i}` }));
    };
    await log.tx([], async ({ query }) => {
      await query("insert into e_cursors (name, seq) values ('slow', 0)");
    });
    await run(own());
    clock.advance(60 * 3_600_000);
    await others("first");
    expect(await run(own())).toMatch(/^again/);
    await log.tx([], ({ query }) => query("update e_cursors set seq = 3"));
    await others("second");
    expect(await db.query("select key from e_idempotency where key = 'k1'")).toEqual([]);
  });
}

function replaying(bench: () => Bench): void {
  it("gives the same projections when the log is replayed into an empty database", async () => {
    const { log, db, driver } = bench();
    for (let i = 0; i < 30; i += 1) await log.tx([], (tx) => add(tx, `name-${i % 7}`, i));
    const copy = await openMigrated(driver);
    expect(await replay(db, copy.db, [tallies])).toBe(30);
    expect(await diffProjections(db, copy.db, [...tallies.tables, "events"])).toBeNull();
    await expect(replay(db, copy.db, [tallies])).rejects.toMatchObject({ code: "CONFLICT" });
    await copy.close();
  });

  it.each([
    [
      "update p_tallies set total = 99 where name = 'b'",
      { key: { name: "b" }, column: "total", a: 99, b: 2 },
    ],
    ["delete from p_tallies where name = 'a'", { key: { name: "a" }, column: null, a: undefined }],
    ["delete from p_tallies where name = 'c'", { key: { name: "c" }, column: null, a: undefined }],
    [
      "insert into p_tallies values ('B', 7, 'x')",
      { key: { name: "B" }, column: null, b: undefined },
    ],
    [
      "insert into p_tallies values ('z', 7, 'x')",
      { key: { name: "z" }, column: null, b: undefined },
    ],
  ])("names the first row that was tampered with: %s", async (tamper, expected) => {
    const { log, db, driver } = bench();
    await log.tx([], async (tx) => {
      await add(tx, "a", 1);
      await add(tx, "b", 2);
      await add(tx, "c", 3);
    });
    const copy = await openMigrated(driver);
    await replay(db, copy.db, [tallies]);
    await db.tx([], (query) => query(tamper));
    expect(await diffProjections(db, copy.db, tallies.tables)).toMatchObject({
      table: "p_tallies",
      ...expected,
    });
    await copy.close();
  });
}
