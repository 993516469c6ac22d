import { describe, expect, it } from "vitest";
import type { Session } from "../../contract/cells.ts";
import { endLease } from "../../reservations/ending.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import { leaseById } from "../../reservations/store.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, INVENTORY, installOf, must, useFleet } from "../support/fleet.ts";

const SECOND = 1_000;

/** What nodes do on every driver: registration, heartbeats. */
export function nodesSuite(driver: Driver): void {
  describe(`nodes on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a node", () => presence(fleet));
    describe("a beat", () => beats(fleet));
  });
}

/** What an operator does to the lease of a session. */
const takeAway = ({ log }: Fleet, { lease: { id } }: Session): Promise<void> =>
  log.tx([], async (tx) => {
    const lease = await leaseById(tx.query, id);
    if (lease === undefined) throw new RangeError(`no lease ${id}`);
    const context = { dialect: log.db.dialect, settings: DEFAULT_LEASE_SETTINGS };
    const end = { type: "lease.force_released", actor: "user:anna", reason: "needed" } as const;
    await endLease(tx, context, { lease, ...end });
  });

const attemptOf = (session: Session): string => session.runs[0]?.attempt.id ?? "";

function presence(fleet: () => Fleet): void {
  it("is registered durably only when its inventory has changed", async () => {
    const { node, counts } = fleet();
    const n1 = await node("n1");
    await node("n1");
    expect(await counts()).toEqual({ "node.registered": 1 });
    const inventory = { ...INVENTORY, labels: { rack: "b" } };
    await n1.register({ body: { inventory, ...installOf("n1") } });
    expect(await counts()).toEqual({ "node.registered": 2 });
  });

  it("shows its state by its last beat: ready, suspect, lost, and what it says of itself", async () => {
    const { node, caller, clock } = fleet();
    const n1 = await node("n1");
    const anna = caller("user:anna");
    const state = async (): Promise<string> => (await anna.node({ params: { node: "n1" } })).state;
    expect(await state()).toBe("ready");
    clock.advance(46 * SECOND);
    expect(await state()).toBe("suspect");
    clock.advance(75 * SECOND);
    expect(await state()).toBe("lost");
    const { installId } = installOf("n1");
    await n1.beat({ body: { installId, ready: false, reason: "no engine", sessions: [] } });
    expect(await anna.node({ params: { node: "n1" } })).toMatchObject({
      state: "unready",
      reason: "no engine",
      runtime: "docker+process",
    });
    expect(await n1.take()).toBeNull();
    await expect(anna.node({ params: { node: "n9" } })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("takes no new work while it drains, and goes on with what it has", async () => {
    const { submit, node, caller, counts } = fleet();
    await submit(2);
    const n1 = await node("n1");
    const anna = caller("user:anna");
    const session = must(await n1.take());
    const params = { node: "n1" };
    expect((await anna.drain({ params })).state).toBe("draining");
    await anna.drain({ params });
    expect(await n1.take()).toBeNull();
    expect(await n1.live(session)).toMatchObject({ draining: true, stop: [], lost: [] });
    expect((await n1.finish(session)).accepted).toBe(true);
    expect((await anna.resume({ params })).state).toBe("ready");
    expect(await n1.take()).not.toBeNull();
    expect(await counts()).toMatchObject({ "node.drained": 1, "node.resumed": 1 });
  });

  it("is one daemon: a second one is refused until the first was silent for 45 s", async () => {
    const { node, clock } = fleet();
    const n1 = await node("n1");
    const other = { inventory: INVENTORY, installId: installOf("n2").installId, bootId: "boot-1" };
    const conflict = { code: "NODE_SESSION_CONFLICT" };
    await expect(n1.register({ body: other })).rejects.toMatchObject(conflict);
    const beat = { installId: other.installId, ready: true, sessions: [] };
    await expect(n1.beat({ body: beat })).rejects.toMatchObject(conflict);
    clock.advance(46 * SECOND);
    await n1.register({ body: other });
    await expect(n1.live()).rejects.toMatchObject(conflict);
  });

  it("is listed by name, by pages", async () => {
    const { node, caller } = fleet();
    for (const name of ["b", "c", "a"]) await node(name);
    const anna = caller("user:anna");
    const first = await anna.nodes({ query: { limit: 2 } });
    const second = await anna.nodes({ query: { limit: 2, after: first.next ?? "" } });
    expect([...first.nodes, ...second.nodes].map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(second.next).toBeNull();
  });
}

function beats(fleet: () => Fleet): void {
  it("renews the leases of all sessions that the node names", async () => {
    const { submit, node, pass, db, counts } = fleet();
    await submit(3);
    const n1 = await node("n1");
    const sessions = [must(await n1.take()), must(await n1.take()), must(await n1.take())];
    for (let i = 0; i < 10; i += 1) {
      await pass(15 * SECOND);
      expect(await n1.live(...sessions)).toMatchObject({ stop: [], lost: [] });
    }
    expect(await db.query("select distinct state from p_leases")).toEqual([{ state: "held" }]);
    expect((await counts())["lease.expired"]).toBeUndefined();
  });

  it("tells the node of sessions that are not its own any more", async () => {
    const { submit, node } = fleet();
    await submit(2);
    const [n1, n2] = [await node("n1"), await node("n2")];
    const [own, strange] = [must(await n1.take()), must(await n2.take())];
    expect(await n1.live(own, strange)).toMatchObject({ lost: [strange.id], stop: [] });
    await n1.finish(own);
    expect(await n1.live(own)).toMatchObject({
      lost: [own.id],
      stop: [{ attempt: attemptOf(own), why: "lost" }],
    });
  });

  it("gives up a session that the node has forgotten, so that its run goes elsewhere", async () => {
    const { submit, node, clock, caller } = fleet();
    await submit(1);
    const [n1, n2] = [await node("n1"), await node("n2")];
    const session = must(await n1.take());
    await n1.live();
    expect(await n2.take()).toBeNull();
    clock.advance(91 * SECOND);
    await n1.live();
    await n2.live();
    expect(await n1.take()).toBeNull();
    const again = must(await n2.take());
    expect(again.runs[0]?.attempt).toMatchObject({ run: session.runs[0]?.attempt.run, n: 2 });
    const { run } = { run: again.runs[0]?.attempt.run ?? "" };
    expect((await caller("user:anna").run({ params: { run } })).attempts).toMatchObject([
      { state: "lost", report: null },
      { state: "claimed" },
    ]);
  });

  it("stops an attempt whose lease was taken by force", async () => {
    const { submit, node, db } = fleet();
    await submit(1);
    const [n1, n2] = [await node("n1"), await node("n2")];
    const session = must(await n1.take());
    await takeAway(fleet(), session);
    expect(await n1.live(session)).toMatchObject({
      lost: [session.id],
      stop: [{ attempt: attemptOf(session), why: "lost" }],
    });
    expect(await n2.take()).not.toBeNull();
    expect((await n1.finish(session)).accepted).toBe(false);
    const rows = await db.query("select state from p_attempts order by n");
    expect(rows).toEqual([{ state: "superseded" }, { state: "claimed" }]);
  });

  it("makes no late result count that was measured under a lease that was taken by force", async () => {
    const { submit, node, caller } = fleet();
    await submit(1);
    const [n1] = [await node("n1"), await node("n2")];
    const session = must(await n1.take());
    await takeAway(fleet(), session);
    await n1.live(session);
    const run = session.runs[0]?.attempt.run ?? "";
    const anna = caller("user:anna");
    expect((await anna.run({ params: { run } })).state).toBe("queued");
    expect(await n1.finish(session)).toMatchObject({ accepted: false, state: "queued" });
    expect((await anna.run({ params: { run } })).attempts).toMatchObject([
      { state: "superseded", report: { outcome: "ok" } },
    ]);
  });

  it("lets a late result count of an attempt that was given up alone", async () => {
    const { submit, node } = fleet();
    await submit(1);
    const [n1] = [await node("n1"), await node("n2")];
    const session = must(await n1.take());
    fleet().clock.advance(91 * SECOND);
    // The node says that it knows nothing of it, and then finds it after all.
    await n1.live();
    expect(await n1.finish(session)).toMatchObject({ accepted: true, state: "succeeded" });
  });
}
