import { describe, expect, it } from "vitest";
import { sha256 } from "../../contract/cell/cell-id.ts";
import type { Session } from "../../contract/cells.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, gpu, REPORT, sweepOf, useFleet } from "../support/fleet.ts";

/** What sweeps, claims and results do on every driver. */
export function cellsSuite(driver: Driver): void {
  describe(`cells on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a sweep", () => sweeps(fleet));
    describe("a claim", () => claims(fleet));
    describe("a result", () => results(fleet));
    describe("the files around a run", () => files(fleet));
  });
}

const must = (session: Session | null): Session => {
  if (session === null) throw new Error("nothing was granted");
  return session;
};

const runIds = (sessions: readonly (Session | null)[]): (string | undefined)[] =>
  sessions.map((session) => session?.runs[0]?.attempt.run);

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
      "2 queued: no known node offers the process runtime and 1 nvidia sm_90 GPU(s)",
    ]);
    const n2 = await node("n2", { gpus: [gpu("b")] });
    expect((await anna.sweep({ params: { sweep } })).waiting).toEqual([]);
    await anna.drain({ params: { node: n2.name } });
    expect((await anna.sweep({ params: { sweep } })).waiting).toEqual([
      "2 queued: no node that could run them is ready (n2 is draining)",
    ]);
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

function claims(fleet: () => Fleet): void {
  it("grants a run with all that is needed, a lease, and the attempt number as its fence", async () => {
    const { submit, node, db } = fleet();
    const { sweep, thread } = await submit(1, { repeats: 3, warmup: 1, lostAfter: "7m" });
    const session = must(await (await node("n1")).take());
    expect(session.runs).toMatchObject([
      {
        project: "default",
        sweep,
        thread,
        block: 1,
        attempt: { n: 1 },
        cell: { command: ["true"], axes: { n: 0 } },
        image: null,
        repeats: 3,
        warmup: 1,
        phases: { run: { timeout: 3_600_000 }, stop: { timeout: 10_000 } },
        lostAfterMs: 420_000,
      },
    ]);
    const [lease] = await db.query("select holder, state, resources from p_leases where id = $1", [
      session.lease.id,
    ]);
    expect(lease).toEqual({
      holder: "node:n1",
      state: "held",
      resources: JSON.stringify([{ kind: "cell", run: session.runs[0]?.attempt.run }]),
    });
  });

  it("never gives one run to two, however many claim at once", async () => {
    const { submit, node, counts } = fleet();
    await submit(40);
    const all = await Promise.all(Array.from({ length: 8 }, (_, i) => node(`n${i}`)));
    const granted: (Session | null)[] = [];
    for (let round = 0; round < 6; round += 1)
      granted.push(...(await Promise.all(all.map((one) => one.take()))));
    const runs = runIds(granted).filter((run) => run !== undefined);
    expect(runs).toHaveLength(40);
    expect(new Set(runs).size).toBe(40);
    expect(granted.filter((session) => session === null)).toHaveLength(8);
    expect((await counts())["session.granted"]).toBe(40);
  });

  it("repeated with its key answers with the same session, and with nothing once that is over", async () => {
    const { submit, node, counts } = fleet();
    await submit(2);
    const n1 = await node("n1");
    const body = { slots: 1, runtimes: ["process" as const] };
    const first = await n1.claim({ body }, { key: "k" });
    expect(await n1.claim({ body }, { key: "k" })).toEqual(first);
    expect((await counts())["session.granted"]).toBe(1);
    await n1.finish(must(first.session));
    expect(await n1.claim({ body }, { key: "k" })).toEqual({ session: null });
  });

  it("takes the higher priority first, then the older sweep", async () => {
    const { submit, node } = fleet();
    const old = await submit(1);
    const young = await submit(1);
    const urgent = await submit(1, { priority: 5 });
    const n1 = await node("n1");
    const taken = [await n1.take(), await n1.take(), await n1.take()];
    expect(taken.map((session) => session?.runs[0]?.sweep)).toEqual(
      [urgent, old, young].map(({ sweep }) => sweep),
    );
  });

  it("gives the project with less in hand its turn", async () => {
    const { caller, node } = fleet();
    const anna = caller("user:anna");
    for (const project of ["big", "small"])
      await anna.submitSweep({
        params: { project },
        body: { sweep: sweepOf(project === "big" ? 9 : 2) },
      });
    const n1 = await node("n1");
    const projects = [];
    for (let i = 0; i < 6; i += 1) projects.push((await n1.take())?.runs[0]?.project);
    expect(projects).toEqual(["big", "small", "big", "small", "big", "big"]);
  });

  it("prefers the image that the node holds", async () => {
    const { submit, node } = fleet();
    const cell = (image: string) => ({ cell: { command: ["x"], image } });
    await submit(1, cell("other:1"));
    const held = await submit(1, cell("held:1"));
    const n1 = await node("n1");
    const { installId } = { installId: "00000000-0000-4000-8000-000000006e31" };
    await n1.beat({
      body: { installId, ready: true, sessions: [], images: { "held:1": "sha256:1" } },
    });
    expect((await n1.take())?.runs[0]?.sweep).toBe(held.sweep);
  });

  it("gives only what the node offers now and could run", async () => {
    const { submit, node } = fleet();
    await submit(1, { requires: { labels: { rack: "a" } } });
    const n1 = await node("n1");
    const n2 = await node("n2", { labels: { rack: "a" } });
    expect(await n1.take()).toBeNull();
    expect(await n2.take({ slots: 0, runtimes: ["process"] })).toBeNull();
    expect(await n2.take({ slots: 1, runtimes: ["docker"] })).toBeNull();
    expect(await n2.take({ slots: 1, runtimes: ["process"] })).not.toBeNull();
  });

  it("takes GPUs under the session's lease, on one NUMA node, and never one twice", async () => {
    const { submit, node, caller, db } = fleet();
    await submit(3, { requires: { gpus: 2, vendor: "nvidia" } });
    const gpus = [gpu("a"), gpu("b", { numaNode: 1 }), gpu("c", { numaNode: 1 }), gpu("d")];
    const n1 = await node("n1", { gpus });
    const offer = { gpus: ["a", "b", "c"], slots: 0, runtimes: ["process" as const] };
    const session = must(await n1.take(offer));
    expect(session.gpus).toEqual(["b", "c"]);
    const [lease] = await db.query<{ resources: string }>("select resources from p_leases");
    expect(JSON.parse(lease?.resources ?? "")).toContainEqual({
      kind: "gpu",
      node: "n1",
      uuid: "b",
    });
    expect(await n1.take(offer)).toBeNull();
    expect(must(await n1.take({ ...offer, gpus: ["a", "b", "c", "d"] })).gpus).toEqual(["a", "d"]);
    const view = await caller("user:anna").node({ params: { node: "n1" } });
    expect(view.gpus.map(({ busy }) => busy)).toEqual([true, true, true, true]);
    expect(view.running).toBe(2);
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
      "attempt.finished": 1,
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
    expect((await counts())["attempt.finished"]).toBeUndefined();
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

function files(fleet: () => Fleet): void {
  const content = Buffer.from("console.log(1)").toString("base64");
  const hash = sha256(Buffer.from(content, "base64"));

  it("reach the node that runs the cell, and change the cell's identity", async () => {
    const { caller, node } = fleet();
    const anna = caller("user:anna");
    const cell = { command: ["${files}/k.mjs"], files: ["k.mjs"], runtime: "process" as const };
    const sweep = sweepOf(1, { cell });
    await expect(anna.submitSweep({ body: { sweep } })).rejects.toMatchObject({
      details: [{ path: "cell.files.0" }],
    });
    await anna.submitSweep({ body: { sweep, files: [{ path: "k.mjs", content }] } });
    const n1 = await node("n1");
    const session = must(await n1.take());
    expect(session.runs[0]?.cell.files).toEqual([{ path: "k.mjs", sha256: hash, size: 14 }]);
    const attempt = session.runs[0]?.attempt.id ?? "";
    expect(await n1.cellFile({ params: { attempt, sha256: hash } })).toMatchObject({ content });
    const other = n1.cellFile({ params: { attempt, sha256: sha256("other") } });
    await expect(other).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("back a result only with the bytes that their hash names", async () => {
    const { submit, node, blobs } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const attempt = session.runs[0]?.attempt.id ?? "";
    const evidence = [{ name: "log.txt", sha256: hash, size: 14 }];
    await expect(n1.finish(session, { evidence })).rejects.toMatchObject({ code: "UNPROCESSABLE" });
    const wrong = n1.putEvidence({ params: { attempt, sha256: hash }, body: { content: "eA==" } });
    await expect(wrong).rejects.toMatchObject({ code: "UNPROCESSABLE" });
    await n1.putEvidence({ params: { attempt, sha256: hash }, body: { content } });
    expect(await blobs.has(hash)).toBe(true);
    expect((await n1.finish(session, { evidence })).accepted).toBe(true);
  });

  it("stream the log while it runs: known bytes are skipped, the middle is dropped, the rest is kept", async () => {
    const { submit, node, caller } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const params = { attempt: session.runs[0]?.attempt.id ?? "" };
    const run = session.runs[0]?.attempt.run ?? "";
    const append = async (offset: number, text: string): Promise<number> =>
      (await n1.appendLog({ params, body: { offset, text } })).next;
    const logs = (after = 0) => caller("user:anna").runLogs({ params: { run }, query: { after } });
    expect(await append(0, "hellö ")).toBe(7);
    expect(await append(0, "hellö world")).toBe(12);
    expect(await append(5, "x")).toBe(12);
    expect(await logs()).toMatchObject({ text: "hellö world", next: 12, done: false });
    expect(await logs(7)).toMatchObject({ text: "world", next: 12 });
    const block = "x".repeat(200_000);
    let next = 12;
    for (let i = 0; i < 12; i += 1) next = await append(next, block);
    let text = "";
    for (let after = 0, page = await logs(0); after < next; page = await logs(after)) {
      text += page.text;
      after = page.next;
    }
    expect(text.startsWith("hellö world")).toBe(true);
    expect(text).toMatch(/\n\[\d+ bytes dropped\]\n/);
    expect(text.length).toBeLessThan(1_700_000);
    await n1.finish(session);
    expect(await logs(next)).toMatchObject({ text: "", done: true });
  });
}
