import { describe, expect, it } from "vitest";
import type { Session } from "../../contract/cells.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, must, useFleet } from "../support/fleet.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** What becomes of work whose node falls silent, on every driver. */
export function silenceSuite(driver: Driver): void {
  describe(`silence on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("silence", () => silence(fleet));
  });
}

function silence(fleet: () => Fleet): void {
  it("of a node sends its run elsewhere after lostAfter, counted from the last beat", async () => {
    const { submit, node, pass, caller } = fleet();
    await submit(1, { lostAfter: "10m" });
    const n1 = await node("n1");
    const session = must(await n1.take());
    await pass(4 * MINUTE);
    await n1.live(session);
    await pass(9 * MINUTE + 59 * SECOND);
    const anna = caller("user:anna");
    const run = { params: { run: session.runs[0]?.attempt.run ?? "" } };
    expect(await anna.run(run)).toMatchObject({ state: "claimed" });
    const n2 = await node("n2");
    await pass(1 * SECOND);
    expect(await anna.run(run)).toMatchObject({ state: "queued", outcome: "lost" });
    const again = must(await n2.take());
    expect(again.runs[0]?.attempt.n).toBe(2);
    const late = await n1.finish(session);
    expect(late).toMatchObject({ accepted: false, state: "claimed" });
    expect((await n2.finish(again)).accepted).toBe(true);
    expect((await anna.run(run)).attempts).toMatchObject([
      { n: 1, state: "superseded", report: { outcome: "ok" } },
      { n: 2, state: "finished" },
    ]);
  });

  it("that ends before the run was given to another node costs nothing", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(1, { lostAfter: "10m" });
    await node("n2");
    const n1 = await node("n1");
    const session = must(await n1.take());
    await pass(11 * MINUTE);
    expect((await counts())["attempt.lost"]).toBe(1);
    expect(await n1.finish(session)).toMatchObject({ accepted: true, state: "succeeded" });
    expect(await counts()).toMatchObject({ "run.succeeded": 1, "sweep.finished": 1 });
  });

  it("shorter than lostAfter lets the same attempt go on, though its lease ran out meanwhile", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(1, { lostAfter: "10m" });
    await node("n2");
    const n1 = await node("n1");
    const session = must(await n1.take());
    await pass(6 * MINUTE);
    expect((await counts())["lease.expired"]).toBe(1);
    expect(await n1.live(session)).toMatchObject({ stop: [], lost: [] });
    expect((await n1.finish(session)).accepted).toBe(true);
  });

  it("ends the leases of a node 90 s after its last beat, and its beats keep them", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(1, { lostAfter: "10m" });
    const n1 = await node("n1");
    const session = must(await n1.take());
    await pass(80 * SECOND);
    await n1.live(session);
    await pass(89 * SECOND);
    expect((await counts())["lease.expired"]).toBeUndefined();
    await pass(1 * SECOND);
    expect((await counts())["lease.expired"]).toBe(1);
  });

  it("of the only node ends its run", async () => {
    const { submit, node, pass, caller } = fleet();
    const { sweep } = await submit(1, { lostAfter: "5m" });
    must(await (await node("n1")).take());
    await pass(6 * MINUTE);
    expect(await caller("user:anna").sweep({ params: { sweep } })).toMatchObject({
      state: "finished",
      states: { failed: 1 },
    });
  });

  it("of the only other node is waited out for lostAfter, and the sweep says so", async () => {
    const { submit, node, pass, caller } = fleet();
    const anna = caller("user:anna");
    await node("n2");
    const { sweep } = await submit(1, { lostAfter: "5m" });
    const n1 = await node("n1");
    must(await n1.take());
    await pass(5 * MINUTE);
    expect(await anna.sweep({ params: { sweep } })).toMatchObject({
      states: { queued: 1 },
      waiting: [
        "1 queued: no other node that could run them is ready (n2 is lost); failed on n1, they go only to another",
      ],
    });
    await pass(5 * MINUTE - SECOND);
    expect((await anna.sweep({ params: { sweep } })).states).toEqual({ queued: 1 });
    await pass(SECOND);
    const over = await anna.sweep({ params: { sweep } });
    expect(over).toMatchObject({ state: "finished", states: { failed: 1 } });
  });

  it("is no reason to give up a run for which another node still beats", async () => {
    const { submit, node, pass, counts } = fleet();
    const n2 = await node("n2");
    await submit(1, { lostAfter: "5m" });
    const n1 = await node("n1");
    must(await n1.take());
    for (let minute = 0; minute < 12; minute += 1) {
      await n2.live();
      await pass(1 * MINUTE);
    }
    expect((await counts())["run.requeued"]).toBe(1);
    expect((await counts())["run.failed"]).toBeUndefined();
    await pass(3 * MINUTE);
    expect((await counts())["run.failed"]).toBeUndefined();
    await pass(1 * MINUTE);
    expect((await counts())["run.failed"]).toBe(1);
  });

  it("of half the fleet at once postpones every loss by one freeze", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(4, { lostAfter: "5m" });
    const nodes = [];
    for (const name of ["n1", "n2", "n3", "n4"]) nodes.push(await node(name));
    const sessions: Session[] = [];
    for (const one of nodes) sessions.push(must(await one.take()));
    for (let minute = 0; minute < 6; minute += 1) {
      await pass(1 * MINUTE);
      for (const i of [2, 3]) await nodes[i]?.live(sessions[i] as Session);
    }
    expect((await counts())["attempt.lost"]).toBeUndefined();
    for (let minute = 0; minute < 5; minute += 1) {
      await pass(1 * MINUTE);
      for (const i of [2, 3]) await nodes[i]?.live(sessions[i] as Session);
    }
    expect((await counts())["attempt.lost"]).toBe(2);
  });

  it("of one node among many is its own", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(1, { lostAfter: "5m" });
    const nodes = [];
    for (const name of ["n1", "n2", "n3", "n4"]) nodes.push(await node(name));
    must((await nodes[0]?.take()) ?? null);
    for (let minute = 0; minute < 5; minute += 1) {
      await pass(1 * MINUTE);
      for (const one of nodes.slice(1)) await one.live();
    }
    expect((await counts())["attempt.lost"]).toBe(1);
  });

  it("does not count during the freeze after a server's start", async () => {
    const { submit, node, log, pass, clock, counts } = fleet();
    await submit(1, { lostAfter: "5m" });
    await node("n2");
    const n1 = await node("n1");
    const session = must(await n1.take());
    clock.advance(60 * MINUTE);
    log.deadlines.freezeUntil(log.now() + 5 * MINUTE);
    await pass(4 * MINUTE);
    expect((await counts())["attempt.lost"]).toBeUndefined();
    await n1.live(session);
    await pass(2 * MINUTE);
    expect((await counts())["attempt.lost"]).toBeUndefined();
  });

  it("is measured from the last beat, also over a restart of the server", async () => {
    const { submit, node, restart, clock } = fleet();
    await submit(2, { lostAfter: "10m" });
    await node("n2");
    const n1 = await node("n1");
    const session = must(await n1.take());
    clock.advance(4 * MINUTE);
    const after = await restart();
    const [one, two] = [after.fake("n1"), after.fake("n2")];
    expect(await one.live(session)).toMatchObject({ stop: [], lost: [] });
    await two.live();
    const other = must(await two.take());
    expect(other.runs[0]?.attempt.run).not.toBe(session.runs[0]?.attempt.run);
    expect((await one.finish(session)).accepted).toBe(true);
    await after.pass(11 * MINUTE);
    expect(await after.counts()).toMatchObject({ "run.succeeded": 1, "attempt.lost": 1 });
  });

  it("is not the only way to lose a run: a node that beats and never reports has its limits, too", async () => {
    const { submit, node, pass, counts } = fleet();
    const phases = { setup: { timeout: "1m" }, run: { timeout: "1m" } };
    await submit(1, { cell: { command: ["x"], runtime: "process", phases } });
    const n1 = await node("n1");
    const session = must(await n1.take());
    for (let minute = 0; minute < 18; minute += 1) {
      await pass(1 * MINUTE);
      await n1.live(session);
    }
    expect((await counts())["attempt.lost"]).toBe(1);
  });
}
