import { describe, expect, it } from "vitest";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, must, REPORT, useFleet } from "../support/fleet.ts";

const MINUTE = 60_000;
const { samples } = REPORT;

/** What claims by hand do on every driver. */
export function byHandSuite(driver: Driver): void {
  describe(`claims by hand on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("a claim by hand", () => byHand(fleet));
  });
}

function byHand(fleet: () => Fleet): void {
  it("takes the next run, or the one that was asked for, and reports it", async () => {
    const { submit, caller, counts } = fleet();
    const { sweep } = await submit(3, { requires: { gpus: 8 } });
    const blue = caller("agent:default/blue");
    const { runs } = await blue.runs({ params: { sweep } });
    const first = must((await blue.claimByHand({ body: { sweep } })).session);
    expect(first.runs[0]?.attempt.run).toBe(runs[0]?.id);
    const third = must((await blue.claimByHand({ body: { run: runs[2]!.id } })).session);
    expect(third.runs[0]?.attempt.run).toBe(runs[2]?.id);
    expect((await blue.claimByHand({ body: { run: runs[2]!.id } })).session).toBeNull();
    const params = { session: third.id };
    const done = await blue.completeClaim({ params, body: { report: { samples } } });
    expect(done).toMatchObject({ run: runs[2]?.id, state: "succeeded", accepted: true });
    expect(await blue.run({ params: { run: runs[2]!.id } })).toMatchObject({
      holder: "agent:default/blue",
      attempts: [{ report: { runtime: null, samples } }],
    });
    expect(await counts()).toMatchObject({ "session.granted": 2, "run.succeeded": 1 });
  });

  it("lives by its time: not renewed, its run goes to anybody, and a late report may still count", async () => {
    const { submit, caller, pass } = fleet();
    await submit(1);
    const [blue, red] = [caller("agent:default/blue"), caller("agent:default/red")];
    const body = { ttlMs: 10 * MINUTE };
    const session = must((await blue.claimByHand({ body })).session);
    const params = { session: session.id };
    await pass(9 * MINUTE);
    await blue.renewClaim({ params, body });
    await pass(9 * MINUTE);
    expect((await red.claimByHand()).session).toBeNull();
    await pass(2 * MINUTE);
    await expect(blue.renewClaim({ params, body })).rejects.toMatchObject({
      code: "LEASE_NOT_HELD",
    });
    const again = must((await red.claimByHand()).session);
    expect(again.runs[0]?.attempt.n).toBe(2);
    const late = await blue.completeClaim({ params, body: { report: { samples } } });
    expect(late).toMatchObject({ accepted: false, state: "claimed" });
  });

  it("is not over for a report that lacks a value, which can be mended", async () => {
    const { submit, caller } = fleet();
    await submit(1);
    const blue = caller("agent:default/blue");
    const params = { session: must((await blue.claimByHand()).session).id };
    const misnamed = samples.map((sample) => ({ ...sample, metric: "perf" }));
    for (const wrong of [misnamed, []])
      await expect(
        blue.completeClaim({ params, body: { report: { samples: wrong } } }),
      ).rejects.toMatchObject({
        code: "UNPROCESSABLE",
        message: 'no value of "performance" for repeat 1',
      });
    await blue.renewClaim({ params, body: {} });
    const done = await blue.completeClaim({ params, body: { report: { samples } } });
    expect(done).toMatchObject({ state: "succeeded", accepted: true });
  });

  it("cannot be renewed once its sweep was cancelled, and says why", async () => {
    const { submit, caller } = fleet();
    const { sweep } = await submit(1);
    const blue = caller("agent:default/blue");
    const { id } = must((await blue.claimByHand()).session);
    await caller("user:anna").cancelSweep({ params: { sweep }, body: {} });
    const params = { session: id };
    await expect(blue.renewClaim({ params, body: {} })).rejects.toMatchObject({
      code: "LEASE_NOT_HELD",
      message: `the claim ${id} has ended: its run is cancelled`,
    });
    const late = await blue.completeClaim({ params, body: { report: { samples } } });
    expect(late).toMatchObject({ accepted: false, state: "cancelled" });
  });

  it("is answered alike when a call is repeated", async () => {
    const { submit, caller } = fleet();
    await submit(1);
    const blue = caller("agent:default/blue");
    const claim = () => blue.claimByHand({ body: { ttlMs: 10 * MINUTE } }, { key: "claim" });
    const { session } = await claim();
    expect(await claim()).toEqual({ session });
    const params = { session: must(session).id };
    const renew = () => blue.renewClaim({ params, body: { ttlMs: 20 * MINUTE } }, { key: "renew" });
    const renewed = await renew();
    expect(renewed.lease.ttlMs).toBe(20 * MINUTE);
    expect(await renew()).toEqual(renewed);
  });

  it("is nobody else's", async () => {
    const { submit, caller, node } = fleet();
    await submit(1);
    const [blue, red] = [caller("agent:default/blue"), caller("agent:default/red")];
    const session = must((await blue.claimByHand()).session);
    const params = { session: session.id };
    const forbidden = { code: "FORBIDDEN" };
    await expect(red.renewClaim({ params, body: {} })).rejects.toMatchObject(forbidden);
    const body = { report: { samples } };
    await expect(red.completeClaim({ params, body })).rejects.toMatchObject(forbidden);
    const elsewhere = blue.completeClaim({ params: { ...params, project: "two" }, body });
    await expect(elsewhere).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await (await node("n1")).take()).toBeNull();
  });
}
