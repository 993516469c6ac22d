import { describe, expect, it } from "vitest";
import { sha256 } from "../../contract/cell/cell-id.ts";
import { sweepRecord } from "../../cells/ledger.ts";
import type { Query } from "../../storage/db.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, installOf, INVENTORY, must, REPORT, useFleet } from "../support/fleet.ts";

/** What results do on every driver. */
export function resultsSuite(driver: Driver): void {
  describe(`results on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a result", () => results(fleet));
  });
}

function results(fleet: () => Fleet): void {
  it("of a run is accepted once, with its samples, and ends its lease", async () => {
    const { submit, node, caller, counts, db } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const first = await n1.finish(session);
    expect(first).toMatchObject({ accepted: true, state: "succeeded", next: null });
    expect(await n1.finish(session)).toEqual(first);
    expect(await counts()).toMatchObject({
      "run.succeeded": 1,
      "lease.released": 1,
    });
    expect(await db.query("select count(*) as n from p_samples")).toEqual([{ n: 1 }]);
    const run = await caller("user:anna").run({ params: { run: first.run } });
    expect(run).toMatchObject({ state: "succeeded", outcome: "ok", holder: "node:n1" });
    expect(run.attempts).toMatchObject([{ n: 1, state: "finished", report: REPORT }]);
  });

  it("can be answered with the next session, in the same transaction", async () => {
    const { submit, node } = fleet();
    await submit(2);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const body = { report: REPORT, next: { slots: 1, runtimes: ["process" as const] } };
    const params = { attempt: session.runs[0]?.attempt.id ?? "" };
    const first = await n1.complete({ params, body }, { key: "k" });
    expect(first.next?.runs[0]?.cell.axes).toEqual({ n: 1 });
    expect(await n1.complete({ params, body }, { key: "k" })).toEqual(first);
  });

  it("of another node's attempt is refused", async () => {
    const { submit, node, counts } = fleet();
    await submit(1);
    const session = must(await (await node("n1")).take());
    const n2 = await node("n2");
    const params = { attempt: session.runs[0]?.attempt.id ?? "" };
    const forbidden = { code: "FORBIDDEN" };
    await expect(n2.finish(session)).rejects.toMatchObject(forbidden);
    await expect(
      n2.start({ params, body: { runtime: "process", image: null } }),
    ).rejects.toMatchObject(forbidden);
    await expect(n2.appendLog({ params, body: { offset: 0, text: "x" } })).rejects.toMatchObject(
      forbidden,
    );
    const evidence = { ...params, sha256: sha256("x") };
    await expect(
      n2.putEvidence({ params: evidence, body: { content: "eA==" } }),
    ).rejects.toMatchObject(forbidden);
    await expect(n2.cellFile({ params: evidence })).rejects.toMatchObject(forbidden);
    expect((await counts())["run.succeeded"]).toBeUndefined();
  });

  it("that the infrastructure spoiled is tried on other nodes, at most twice", async () => {
    const { submit, node, caller } = fleet();
    await submit(1);
    const nodes = [await node("n1"), await node("n2"), await node("n3"), await node("n4")];
    const spoiled = { outcome: "setup_failed" as const, message: "no image", samples: [] };
    const states = [];
    for (const one of nodes.slice(0, 3)) {
      const session = must(await one.take());
      states.push((await one.finish(session, spoiled)).state);
      expect(await one.take()).toBeNull();
    }
    expect(states).toEqual(["queued", "queued", "failed"]);
    const { runs } = await caller("user:anna").runs({ params: { sweep: "sweep" } });
    expect(runs).toMatchObject([
      { state: "failed", attempt: 3, outcome: "setup_failed", message: "no image" },
    ]);
  });

  it("that the infrastructure spoiled ends the run when no other node could run it", async () => {
    const { submit, node } = fleet();
    await submit(1);
    await node("n2", { runtimes: ["docker"] });
    const n1 = await node("n1");
    const spoiled = { outcome: "invalid" as const, message: "GPU was dirty", samples: [] };
    expect((await n1.finish(must(await n1.take()), spoiled)).state).toBe("invalid");
  });

  it("that the benchmark itself failed is not tried again", async () => {
    const { submit, node } = fleet();
    await submit(1);
    await node("n2");
    const n1 = await node("n1");
    const failed = { outcome: "timed_out" as const, message: "60 s", samples: [] };
    expect((await n1.finish(must(await n1.take()), failed)).state).toBe("failed");
    expect(await n1.take()).toBeNull();
  });

  it("without a value for each repeat is a failure, not a success", async () => {
    const { submit, node, caller } = fleet();
    await submit(1, { repeats: 3 });
    const n1 = await node("n1");
    const { state, run } = await n1.finish(must(await n1.take()));
    expect(state).toBe("failed");
    expect(await caller("user:anna").run({ params: { run } })).toMatchObject({
      message: 'no value of "performance" for repeat 2, 3',
    });
  });

  it("with a value of a repeat that the sweep does not ask for is refused", async () => {
    const { submit, node, caller } = fleet();
    const { sweep } = await submit(2, { repeats: 2, warmup: 1 });
    const samples = (...repeats: number[]) =>
      repeats.map((repeat) => ({ ...REPORT.samples[0]!, repeat }));
    const n1 = await node("n1");
    const session = must(await n1.take());
    const refused = {
      code: "UNPROCESSABLE",
      message: "a value of repeat 3, but the sweep asks for 2 in a run",
    };
    await expect(n1.finish(session, { samples: samples(1, 2, 3) })).rejects.toMatchObject(refused);
    expect((await n1.finish(session, { samples: samples(1, 2) })).state).toBe("succeeded");
    const blue = caller("agent:default/blue");
    const claim = must((await blue.claimByHand({ body: { sweep } })).session);
    const params = { session: claim.id };
    const further = { report: { samples: samples(1, 2, 3) } };
    await expect(blue.completeClaim({ params, body: further })).rejects.toMatchObject(refused);
  });

  it("is read for a report in the same few queries, however many there are", async () => {
    const { submit, node, log } = fleet();
    const n1 = await node("n1");
    const read = async (runs: number) => {
      const { sweep } = await submit(runs);
      for (let i = 0; i < runs; i += 1) await n1.finish(must(await n1.take()));
      let queries = 0;
      const query: Query = (sql, values) => {
        queries += 1;
        return log.query(sql, values);
      };
      const record = await sweepRecord(query, "default", sweep);
      return { queries, samples: record?.attempts.map(({ report }) => report?.samples) };
    };
    const [one, three] = [await read(1), await read(3)];
    expect(three.queries).toBe(one.queries);
    expect(three.samples).toMatchObject([REPORT.samples, REPORT.samples, REPORT.samples]);
  });

  it("is of the node as it was when it took the run", async () => {
    const { submit, node, log, clock } = fleet();
    const { sweep } = await submit(2);
    const n1 = await node("n1", { simulated: true, kernel: "1" });
    const nodes = async () => (await sweepRecord(log.query, "default", sweep))?.nodes;
    const session = must(await n1.take());
    clock.advance(1_000);
    const inventory = { ...INVENTORY, simulated: false, kernel: "2" };
    await n1.register({ body: { inventory, ...installOf("n1") } });
    await n1.finish(session);
    const before = { name: "n1", inventory: { simulated: true, kernel: "1" } };
    expect(await nodes()).toMatchObject([before]);
    clock.advance(1_000);
    await n1.finish(must(await n1.take()));
    const after = { name: "n1", inventory: { simulated: false, kernel: "2" } };
    expect(await nodes()).toMatchObject([before, after]);
  });

  it("with two values for one repeat is refused", async () => {
    const { submit, node } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const twice = n1.finish(session, { samples: [...REPORT.samples, ...REPORT.samples] });
    await expect(twice).rejects.toMatchObject({ code: "UNPROCESSABLE" });
    expect((await n1.finish(session)).accepted).toBe(true);
  });

  it("is measured under the identity of cell, image and runtime", async () => {
    const { submit, node, db } = fleet();
    await submit(1, { cell: { command: ["x"], runtime: "any", image: "i:1" }, blocks: 2 });
    const [n1, n2] = [await node("n1"), await node("n2")];
    await n1.finish(must(await n1.take()));
    await n2.finish(must(await n2.take()), { runtime: "docker", image: "sha256:1" });
    const rows = await db.query<{ measured_id: string }>("select measured_id from p_attempts");
    expect(new Set(rows.map(({ measured_id: id }) => id)).size).toBe(2);
  });

  it("is of the image that most ready nodes hold when the sweep is submitted", async () => {
    const { submit, node, caller, clock } = fleet();
    const [n1, n2, n3] = [await node("n1"), await node("n2"), await node("n3")];
    await n3.holds({ "i:latest": "sha256:3" });
    clock.advance(60_000);
    await n1.holds({ "i:latest": "sha256:2" });
    await n2.holds({ "i:latest": "sha256:2", "j:1": "reg/j@sha256:5" });
    const cell = (image: string) => ({ cell: { command: ["x"], image } });
    await submit(1, cell("i"));
    await submit(1, cell("j:1"));
    await submit(1, cell("k@sha256:7"));
    expect(await n3.take()).toBeNull();
    const images = [await n2.take(), await n2.take(), await n2.take()].map(
      (session) => session?.runs[0]?.image,
    );
    expect(images).toEqual(["sha256:2", "reg/j@sha256:5", "k@sha256:7"]);
    expect((await caller("user:anna").nodes()).nodes.map(({ state }) => state)).toEqual([
      "ready",
      "ready",
      "suspect",
    ]);
  });

  it("of another image than the frozen one is not let start, nor counted", async () => {
    const { submit, node } = fleet();
    await submit(2, { cell: { command: ["x"], image: "i:1" } });
    const [n1, n2] = [await node("n1"), await node("n2")];
    const [one, two] = [must(await n1.take()), must(await n2.take())];
    const start = (image: string) => ({ runtime: "docker" as const, image });
    const first = { attempt: one.runs[0]?.attempt.id ?? "" };
    const second = { attempt: two.runs[0]?.attempt.id ?? "" };
    await n1.start({ params: first, body: start("sha256:1") });
    await n1.start({ params: first, body: start("sha256:1") });
    await expect(n2.start({ params: second, body: start("sha256:2") })).rejects.toMatchObject({
      code: "CONFLICT",
      message: "i:1 is sha256:2 here; the sweep is frozen at sha256:1",
    });
    const docker = { runtime: "docker" as const, image: "sha256:2" };
    expect((await n2.finish(two, docker)).state).toBe("queued");
    expect((await n1.finish(one, { ...docker, image: "sha256:1" })).state).toBe("succeeded");
    await n1.holds({ "i:1": "sha256:2" });
    expect(await n1.take()).toBeNull();
    await n1.holds({ "i:1": "sha256:1" });
    const again = must(await n1.take());
    expect(again.runs[0]?.image).toBe("sha256:1");
  });
}
