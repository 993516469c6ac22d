import { describe, expect, it } from "vitest";
import type { Resource } from "../../contract/resource.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, gpu, must, sweepOf, useFleet } from "../support/fleet.ts";
import { lease } from "../support/leased.ts";

/** What sweeps do on every driver. */
export function sweepsSuite(driver: Driver): void {
  describe(`sweeps on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a sweep", () => sweeps(fleet));
  });
}

function sweeps(fleet: () => Fleet): void {
  it("becomes one queued run per cell and block", async () => {
    const { submit, caller } = fleet();
    const anna = caller("user:anna");
    const sweep = await submit(3, { blocks: 2 });
    expect(sweep).toMatchObject({
      name: "sweep",
      state: "active",
      cells: 3,
      runs: 6,
      states: { queued: 6 },
      submittedBy: "user:anna",
      waiting: ["6 queued: no node has registered"],
    });
    const { runs } = await anna.runs({ params: { sweep: sweep.sweep } });
    expect(runs.map(({ block, state, attempt }) => [block, state, attempt])).toEqual([
      ...Array.from({ length: 3 }, () => [1, "queued", 0]),
      ...Array.from({ length: 3 }, () => [2, "queued", 0]),
    ]);
    expect(new Set(runs.map(({ cell }) => cell)).size).toBe(3);
  });

  it("is refused with all of its problems, and leaves nothing", async () => {
    const { caller, counts } = fleet();
    const sweep = sweepOf(1, { cell: { command: ["${x}"], runtime: "docker" } });
    await expect(caller("user:anna").submitSweep({ body: { sweep } })).rejects.toMatchObject({
      code: "UNPROCESSABLE",
      details: [{ path: "cell.command.0" }, { path: "cell.image" }],
    });
    expect(await counts()).toEqual({});
  });

  it("is listed newest first, by pages, and found by its name", async () => {
    const { submit, caller } = fleet();
    const anna = caller("user:anna");
    const ids = [];
    for (let i = 0; i < 5; i += 1) ids.push((await submit(1)).sweep);
    const first = await anna.sweeps({ query: { limit: 3 } });
    const second = await anna.sweeps({ query: { limit: 3, after: first.next ?? "" } });
    const listed = [...first.sweeps, ...second.sweeps].map(({ sweep }) => sweep);
    expect(listed).toEqual(ids.toReversed());
    expect(second.next).toBeNull();
    expect((await anna.sweep({ params: { sweep: "sweep" } })).sweep).toBe(ids.at(-1));
    await expect(anna.sweep({ params: { sweep: "other" } })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    const elsewhere = anna.sweep({ params: { project: "two", sweep: "sweep" } });
    await expect(elsewhere).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("gives its cells and runs by pages", async () => {
    const { submit, caller } = fleet();
    const anna = caller("user:anna");
    const { sweep } = await submit(5);
    const first = await anna.cellsOf({ params: { sweep }, query: { limit: 3 } });
    const second = await anna.cellsOf({
      params: { sweep },
      query: { limit: 3, after: first.next ?? "" },
    });
    const found = [...first.cells, ...second.cells];
    expect(found.map(({ axes }) => axes)).toEqual([0, 1, 2, 3, 4].map((n) => ({ n })));
    expect(second.next).toBeNull();
    const queued = await anna.runs({ params: { sweep }, query: { state: "queued", limit: 2 } });
    expect(queued.runs).toHaveLength(2);
    expect((await anna.runs({ params: { sweep }, query: { state: "failed" } })).runs).toEqual([]);
    for (const after of ["zz", "-1", "1.5"])
      for (const list of [anna.cellsOf, anna.runs])
        await expect(list({ params: { sweep }, query: { after } })).rejects.toMatchObject({
          code: "BAD_REQUEST",
          message: `"${after}" is not a cursor of this list`,
        });
  });

  it("finishes once, with the states of all of its runs", async () => {
    const { submit, node, counts, caller } = fleet();
    const { sweep } = await submit(2);
    const n1 = await node("n1");
    await n1.finish(must(await n1.take()));
    expect((await counts())["sweep.finished"]).toBeUndefined();
    await n1.finish(must(await n1.take()), {
      outcome: "failed",
      message: "exit code 1",
      samples: [],
    });
    expect((await counts())["sweep.finished"]).toBe(1);
    const shown = await caller("user:anna").sweep({ params: { sweep }, query: { wait: 60_000 } });
    expect(shown).toMatchObject({ state: "finished", states: { succeeded: 1, failed: 1 } });
    expect(shown.finishedAt).not.toBeNull();
  });

  it("can be waited for", async () => {
    const { submit, node, caller } = fleet();
    const { sweep } = await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const shown = caller("user:anna").sweep({ params: { sweep }, query: { wait: 60_000 } });
    await n1.finish(session);
    expect((await shown).state).toBe("finished");
  });

  it("that is cancelled ends what is queued and stops what runs", async () => {
    const { submit, node, caller, counts } = fleet();
    const { sweep } = await submit(3);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const attempt = session.runs[0]?.attempt.id ?? "";
    const cancelled = await caller("user:anna").cancelSweep({
      params: { sweep },
      body: { reason: "wrong image" },
    });
    expect(cancelled).toMatchObject({ state: "cancelled", states: { cancelled: 3 } });
    expect((await n1.live(session)).stop).toEqual([{ attempt, why: "cancelled" }]);
    expect(await n1.take()).toBeNull();
    const late = await n1.finish(session, {
      outcome: "cancelled",
      message: "stopped",
      samples: [],
    });
    expect(late).toMatchObject({ accepted: false, state: "cancelled" });
    expect(await counts()).toMatchObject({
      "sweep.cancelled": 1,
      "sweep.finished": 1,
      "lease.released": 1,
    });
    expect((await n1.live()).stop).toEqual([]);
  });

  it("says which of its runs no known node could ever run", async () => {
    const { submit, node, caller } = fleet();
    await node("n1", { gpus: [gpu("a", { arch: "sm_80" })] });
    const { sweep } = await submit(2, { requires: { gpus: 1, vendor: "nvidia", arch: "sm_90" } });
    const anna = caller("user:anna");
    expect((await anna.sweep({ params: { sweep } })).waiting).toEqual([
      "2 queued: no known node offers the process runtime and 1 nvidia sm_90 GPU(s); known are nvidia sm_80",
    ]);
    const resources = { cpus: 64 };
    const many = await submit(1, { cell: { command: ["x"], runtime: "process", resources } });
    expect(many.waiting).toEqual([
      "1 queued: no known node offers the process runtime and 64 core(s)",
    ]);
    const n2 = await node("n2", { gpus: [gpu("b")] });
    expect((await anna.sweep({ params: { sweep } })).waiting).toEqual([]);
    await anna.drain({ params: { node: n2.name } });
    expect((await anna.sweep({ params: { sweep } })).waiting).toEqual([
      "2 queued: no node that could run them is ready (n2 is draining)",
    ]);
  });

  it("says whose turn comes first, and which image nobody has", async () => {
    const { submit, node, caller } = fleet();
    const anna = caller("user:anna");
    const n1 = await node("n1");
    await submit(1);
    const session = must(await n1.take());
    const other = await submit(1);
    expect(other.waiting).toEqual(["1 queued: their turn has not come (n1 works on 1)"]);
    await n1.finish(session);
    expect((await anna.sweep({ params: { sweep: other.sweep } })).waiting).toEqual([]);
    await n1.holds({ "local:1": "sha256:old" });
    const local = await submit(1, { cell: { command: ["x"], image: "local:1" } });
    expect(local.waiting).toEqual([]);
    await n1.holds({ "local:1": "sha256:new" });
    expect((await anna.sweep({ params: { sweep: local.sweep } })).waiting).toEqual([
      "1 queued: no node that could run them has local:1 as the sweep is frozen at (sha256:old)",
    ]);
  });

  it("says that others hold leases on what its runs need", async () => {
    const { submit, node, caller } = fleet();
    const anna = caller("user:anna");
    await node("n1", { gpus: [gpu("a"), gpu("b")] });
    const { sweep } = await submit(2, { requires: { gpus: 2 } });
    const waiting = async () => (await anna.sweep({ params: { sweep } })).waiting;
    expect(await waiting()).toEqual([]);
    const giveBack = await lease(fleet(), [{ kind: "gpu", node: "n1", uuid: "a" }], "other");
    expect(await waiting()).toEqual(["2 queued: others hold leases on GPUs of n1"]);
    await giveBack();
    const { runs } = await anna.runs({ params: { sweep } });
    const cells = runs.map(({ id }): Resource => ({ kind: "cell", run: id }));
    await lease(fleet(), cells.slice(0, 1));
    expect(await waiting()).toEqual([]);
    await lease(fleet(), cells.slice(1));
    expect(await waiting()).toEqual(["2 queued: others hold leases on them"]);
  });

  it("of which nothing is taken up for a week is cancelled; one that goes on is not", async () => {
    const { submit, node, pass, caller } = fleet();
    const anna = caller("user:anna");
    const DAY = 86_400_000;
    const stuck = await submit(2, { requires: { labels: { rack: "none" } } });
    const slow = await submit(2);
    await pass(6 * DAY);
    const n1 = await node("n1");
    await n1.finish(must(await n1.take()));
    await pass(1 * DAY);
    expect(await anna.sweep({ params: { sweep: stuck.sweep } })).toMatchObject({
      state: "cancelled",
      states: { cancelled: 2 },
    });
    expect((await anna.sweep({ params: { sweep: slow.sweep } })).states).toEqual({
      queued: 1,
      succeeded: 1,
    });
    await pass(6 * DAY);
    expect((await anna.sweep({ params: { sweep: slow.sweep } })).state).toBe("cancelled");
  });

  it("is made once when its submission is repeated with its key", async () => {
    const { caller, counts } = fleet();
    const anna = caller("user:anna");
    const body = { sweep: sweepOf(2) };
    const first = await anna.submitSweep({ body }, { key: "k" });
    expect(await anna.submitSweep({ body }, { key: "k" })).toEqual(first);
    expect(await counts()).toEqual({ "sweep.submitted": 1 });
  });
}
