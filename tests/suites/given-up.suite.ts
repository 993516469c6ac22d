import { describe, expect, it } from "vitest";
import { sweepRecord } from "../../cells/ledger.ts";
import type { Session } from "../../contract/cells.ts";
import type { LeaseId } from "../../contract/ids.ts";
import { buildReport } from "../../reports/build.ts";
import { endLease } from "../../reservations/ending.ts";
import { grantNew } from "../../reservations/grant.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import { leaseById } from "../../reservations/store.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, must, REPORT, useFleet } from "../support/fleet.ts";

const MINUTE = 60_000;

/** What becomes of a run whose attempt was given up or lost its lease, on every driver. */
export function givenUpSuite(driver: Driver): void {
  describe(`given up on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a run", () => runs(fleet));
  });
}

const takeAway = ({ log }: Fleet, { lease: { id } }: Session): Promise<void> =>
  log.tx([], async (tx) => {
    const lease = await leaseById(tx.query, id as LeaseId);
    if (lease === undefined) throw new RangeError(`no lease ${id}`);
    const context = { dialect: log.db.dialect, settings: DEFAULT_LEASE_SETTINGS };
    const end = { type: "lease.force_released", actor: "user:anna", reason: "needed" } as const;
    await endLease(tx, context, { lease, ...end });
  });

function runs(fleet: () => Fleet): void {
  it("whose node reports before it hears that its lease was taken away waits for another", async () => {
    const { submit, node, counts } = fleet();
    await submit(1);
    const [n1, n2] = [await node("n1"), await node("n2")];
    const session = must(await n1.take());
    await takeAway(fleet(), session);
    expect(await n1.finish(session)).toMatchObject({ accepted: false, state: "queued" });
    expect((await counts())["run.requeued"]).toBe(1);
    fleet().clock.advance(2 * MINUTE);
    await n2.live();
    expect(must(await n2.take()).runs[0]?.attempt.n).toBe(2);
  });

  it("claimed by hand whose lease was taken away waits for another, too", async () => {
    const { submit, caller } = fleet();
    await submit(1);
    const blue = caller("agent:default/blue");
    const session = must((await blue.claimByHand()).session);
    await takeAway(fleet(), session);
    const { samples } = REPORT;
    const params = { session: session.id };
    const done = await blue.completeClaim({ params, body: { report: { samples } } });
    expect(done).toMatchObject({ accepted: false, state: "queued" });
  });

  it("never succeeds by a report that was refused", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(1, { lostAfter: "5m" });
    const n1 = await node("n1");
    await node("n2");
    const session = must(await n1.take());
    await takeAway(fleet(), session);
    await n1.live(session);
    expect((await n1.finish(session)).accepted).toBe(false);
    await pass(12 * MINUTE);
    const told = await counts();
    expect(told).toMatchObject({ "run.failed": 1, "sweep.finished": 1 });
    expect(told["run.succeeded"]).toBeUndefined();
  });

  it("that failed so keeps its reason, in lists and in the report, when a late report comes", async () => {
    const { submit, node, pass, caller, log } = fleet();
    const { sweep } = await submit(1, { lostAfter: "5m" });
    const n1 = await node("n1");
    const session = must(await n1.take());
    await pass(6 * MINUTE);
    await pass(6 * MINUTE);
    const run = async () => (await caller("user:anna").runs({ params: { sweep } })).runs[0];
    const { outcome, message } = (await run()) ?? {};
    const why = { outcome, message };
    expect(why).toEqual({ outcome: "lost", message: expect.any(String) as unknown });
    expect((await n1.finish(session)).accepted).toBe(false);
    expect(await run()).toMatchObject({ state: "failed", ...why });
    const record = await sweepRecord(log.query, "default", sweep);
    expect(record && buildReport(record).failures).toMatchObject([{ attempt: 1, ...why }]);
  });

  it("that was taken away is called superseded when its holder reports that all went well", async () => {
    const { submit, node, caller } = fleet();
    const { sweep } = await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    await takeAway(fleet(), session);
    await n1.finish(session);
    const { runs } = await caller("user:anna").runs({ params: { sweep } });
    expect(runs).toMatchObject([{ outcome: "superseded" }]);
  });

  it("is not spoiled a second time by a node that only says that it was given up", async () => {
    const { submit, node, pass, counts } = fleet();
    await submit(1, { lostAfter: "5m" });
    const n2 = await node("n2");
    const n1 = await node("n1");
    const session = must(await n1.take());
    for (let minute = 0; minute < 6; minute += 1) {
      await n2.live();
      await pass(1 * MINUTE);
    }
    const report = { outcome: "invalid" as const, message: "its lease was lost", samples: [] };
    expect(await n1.finish(session, report)).toMatchObject({ accepted: false, state: "queued" });
    expect((await counts())["run.requeued"]).toBe(1);
    await n2.live();
    expect(must(await n2.take()).runs[0]?.attempt.n).toBe(2);
  });

  it("that a node has failed keeps its end when somebody held it in between", async () => {
    const { submit, node, caller, pass, counts } = fleet();
    await submit(1, { lostAfter: "5m" });
    const n1 = await node("n1");
    await node("n2");
    const failed = { outcome: "setup_failed" as const, message: "no image", samples: [] };
    await n1.finish(must(await n1.take()), failed);
    must((await caller("agent:default/blue").claimByHand({ body: { ttlMs: 8 * MINUTE } })).session);
    await pass(9 * MINUTE);
    expect((await counts())["run.requeued"]).toBe(2);
    await pass(12 * MINUTE);
    expect((await counts())["run.failed"]).toBe(1);
  });

  it("under somebody's lease holds up no other of its queue", async () => {
    const { submit, node, caller, log } = fleet();
    const { sweep } = await submit(2);
    const all = await caller("user:anna").runs({ params: { sweep } });
    const [first, second] = all.runs.map(({ id }) => id);
    await log.tx([], (tx) =>
      grantNew(
        tx,
        {
          project: "default",
          holder: "agent:default/red",
          mode: "exclusive",
          resources: [{ kind: "cell", run: first ?? "" }],
          refs: null,
          actor: "agent:default/red",
          ttlMs: 60 * MINUTE,
          session: null,
          reason: null,
          thread: null,
        },
        { fence: 0, supersedes: [] },
      ),
    );
    const n1 = await node("n1");
    expect(must(await n1.take()).runs[0]?.attempt.run).toBe(second);
    expect((await caller("agent:default/blue").claimByHand()).session).toBeNull();
  });
}
