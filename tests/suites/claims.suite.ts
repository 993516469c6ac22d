import { describe, expect, it } from "vitest";
import type { Session } from "../../contract/cells.ts";
import type { Resource } from "../../contract/resource.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, gpu, must, sweepOf, useFleet } from "../support/fleet.ts";
import { lease } from "../support/leased.ts";

/** What claims do on every driver. */
export function claimsSuite(driver: Driver): void {
  describe(`claims on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a claim", () => claims(fleet));
  });
}

const runIds = (sessions: readonly (Session | null)[]): (string | undefined)[] =>
  sessions.map((session) => session?.runs[0]?.attempt.run);

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

  it("passes over runs under somebody's lease, however many stand before the others", async () => {
    const { submit, node, caller } = fleet();
    const { sweep } = await submit(150);
    const { runs } = await caller("user:anna").runs({ params: { sweep }, query: { limit: 200 } });
    const cells = runs.map(({ id }): Resource => ({ kind: "cell", run: id }));
    await lease(fleet(), cells.slice(0, 148));
    const n1 = await node("n1");
    expect(runIds([await n1.take()])).toEqual([runs[148]?.id]);
    expect(runIds([await n1.take()])).toEqual([runs[149]?.id]);
    expect(await n1.take()).toBeNull();
  });

  it.each(["default", "other"])(
    "takes GPUs on which nobody else holds a lease, in project %s",
    async (project) => {
      const { submit, node } = fleet();
      const n1 = await node("n1", { gpus: [gpu("a"), gpu("b"), gpu("c")] });
      await lease(fleet(), [{ kind: "gpu", node: "n1", uuid: "a" }], project);
      await submit(2, { requires: { gpus: 2 } });
      const offer = { gpus: ["a", "b", "c"], slots: 0, runtimes: ["process" as const] };
      expect(must(await n1.take(offer)).gpus).toEqual(["b", "c"]);
      expect(await n1.take(offer)).toBeNull();
    },
  );

  it("by hand passes over leased runs as well", async () => {
    const { submit, caller } = fleet();
    const { sweep } = await submit(150);
    const { runs } = await caller("user:anna").runs({ params: { sweep }, query: { limit: 200 } });
    await lease(
      fleet(),
      runs.slice(0, 149).map(({ id }): Resource => ({ kind: "cell", run: id })),
    );
    const { session } = await caller("agent:default/blue").claimByHand();
    expect(runIds([session])).toEqual([runs[149]?.id]);
  });
}
