import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { insertLoggedEvent } from "../../storage/events.ts";
import type { LogTx, StoredEvent } from "../../storage/log.ts";
import { readBatch, type ReaderOptions, runReader } from "../../storage/readers.ts";
import type { Driver } from "../support/drivers.ts";
import { add, type Bench, useBench } from "../support/log-bench.ts";

/** What readers of the log do on every driver. */
export function readersSuite(driver: Driver): void {
  describe(`readers on ${driver.name}`, () => reading(useBench(driver)));
}

function reading(bench: () => Bench): void {
  const fill = async (count: number): Promise<void> => {
    await bench().log.tx([], async (tx) => {
      for (let i = 0; i < count; i += 1) await add(tx);
    });
  };

  it("may repeat events but skips none, when a reader dies between effect and cursor", async () => {
    const { log, seqs } = bench();
    await fill(40);
    const deaths = fc.array(fc.boolean(), { minLength: 5, maxLength: 40 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(deaths, fc.integer({ min: 1, max: 9 }), async (dies, batch) => {
        const seen: number[] = [];
        let turn = 0;
        const handle = (events: readonly StoredEvent[]): Promise<void> => {
          seen.push(...events.map(({ seq }) => seq));
          return dies[turn++] === true ? Promise.reject(new Error("killed")) : Promise.resolve();
        };
        const options: ReaderOptions = {
          log,
          name: `reader-${run++}`,
          batch,
          transactional: false,
          handle,
        };
        while ((await readBatch(options).catch(() => 1)) > 0);
        expect([...new Set(seen)]).toEqual(await seqs());
        const jumps = seen.slice(1).filter((seq, i) => seq > (seen[i] ?? 0) + 1);
        expect(jumps).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  it("moves the cursor of a transactional reader together with its effects", async () => {
    const { log, db } = bench();
    await fill(3);
    await db.tx([], (query) => query("create table e_effects (seq bigint primary key)"));
    let dies = true;
    const handle = async (events: readonly StoredEvent[], tx: LogTx): Promise<void> => {
      for (const { seq } of events)
        await tx.query("insert into e_effects (seq) values ($1)", [seq]);
      if (dies) throw new Error("killed");
    };
    const options: ReaderOptions = { log, name: "effects", batch: 10, transactional: true, handle };
    await expect(readBatch(options)).rejects.toThrow("killed");
    expect(await db.query("select seq from e_effects")).toEqual([]);
    dies = false;
    expect(await readBatch(options)).toBe(3);
    expect(await readBatch(options)).toBe(0);
    expect(await db.query("select seq from e_effects")).toEqual([
      { seq: 1 },
      { seq: 2 },
      { seq: 3 },
    ]);
  });

  it("gives a batch to one of two processes that run the same transactional reader", async () => {
    const { log } = bench();
    await fill(3);
    let handled = 0;
    const handle = (events: readonly StoredEvent[]): Promise<void> =>
      Promise.resolve(void (handled += events.length));
    const options: ReaderOptions = { log, name: "twice", batch: 10, transactional: true, handle };
    await Promise.all([readBatch(options), readBatch(options)]);
    expect(handled).toBe(3);
  });

  it("gives a reader of some events those alone, and moves its cursor past the others", async () => {
    const { log, db } = bench();
    await log.tx([], async (tx) => {
      for (const name of ["a", "b", "a", "a", "b"]) await add(tx, name);
    });
    const seen: number[] = [];
    const options: ReaderOptions = {
      log,
      name: "some",
      batch: 1,
      only: {
        where: `body like '%"name":"b"%'`,
        fits: ({ body }) => (body as { name: string }).name === "b",
      },
      transactional: false,
      handle: (events) => Promise.resolve(void seen.push(...events.map(({ seq }) => seq))),
    };
    const cursor = () => db.query("select seq from e_cursors where name = 'some'");
    await readBatch(options);
    expect([seen, await cursor()]).toEqual([[2], [{ seq: 2 }]]);
    while ((await readBatch(options)) > 0);
    expect([seen, await cursor()]).toEqual([[2, 5], [{ seq: 5 }]]);
    // Running, it moves its cursor less often, and misses nothing behind what is not for it.
    const reader = await runReader(options, (error) => expect.fail(String(error)));
    await fill(3);
    await log.tx([], (tx) => add(tx, "b"));
    await expect.poll(() => seen).toEqual([2, 5, 9]);
    await expect.poll(cursor).toEqual([{ seq: 9 }]);
    await reader.stop();
  });

  it("goes on behind the gap that a restore leaves", async () => {
    const { log, db } = bench();
    const event = await log.tx([], (tx) => add(tx, "b"));
    await db.tx([], (query) => insertLoggedEvent(query, { ...event, seq: 1_000_001 }));
    await log.tx([], (tx) => add(tx, "b"));
    const seen: number[] = [];
    const options: ReaderOptions = {
      log,
      name: "gap",
      batch: 10,
      only: { where: "type = 'tally.added'", fits: () => true },
      transactional: false,
      handle: (events) => Promise.resolve(void seen.push(...events.map(({ seq }) => seq))),
    };
    while ((await readBatch(options)) > 0);
    expect(seen).toEqual([1, 1_000_001, 1_000_002]);
  });

  it("runs until stopped: woken by commits, going on after an error, ending after the batch in flight", async () => {
    const { log } = bench();
    const seen: number[] = [];
    const errors: unknown[] = [];
    let release: (() => void) | undefined;
    const handle = async (events: readonly StoredEvent[]): Promise<void> => {
      if (errors.length === 0) throw new Error("first try fails");
      if (events.some(({ seq }) => seq === 3))
        await new Promise<void>((resolve) => (release = resolve));
      seen.push(...events.map(({ seq }) => seq));
    };
    const options: ReaderOptions = { log, name: "runner", batch: 1, transactional: false, handle };
    const reader = await runReader(options, (error) => errors.push(error));
    await fill(2);
    await expect.poll(() => seen).toEqual([1, 2]);
    expect(errors).toHaveLength(1);
    await fill(1);
    await expect.poll(() => release).toBeDefined();
    const stopped = reader.stop();
    release?.();
    await stopped;
    expect(seen).toEqual([1, 2, 3]);
    await fill(1);
    expect(await readBatch({ ...options, handle: () => Promise.resolve() })).toBe(1);
  });
}
