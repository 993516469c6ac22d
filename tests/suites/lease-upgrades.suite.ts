import { describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { as, callsOf, PROJECT, useReservations } from "../reservations/support.ts";
import type { Driver } from "../support/drivers.ts";

const HOUR = 3_600_000;
const params = { project: PROJECT };

/** Shared leases whose holder asks for the same exclusively, over any database. */
export function leaseUpgradesSuite(driver: Driver): void {
  describe(`an upgrade on ${driver.name}`, () => {
    const bench = useReservations(driver);
    const { acquire, queue, look, at, release, show } = callsOf(bench);
    const shared = { mode: "shared" };

    /** Blue has a shared lease, and its upgrade has come from the queue. */
    async function upgraded(extra: object = {}) {
      const { id } = await acquire("blue", ["src"], shared);
      const other = await acquire("red", ["src"], shared);
      const ticket = await queue("blue", ["src"], extra);
      await release("red", other.id);
      expect(await show(id)).toMatchObject({ mode: "exclusive", state: "held" });
      return { id, ticket };
    }

    it("that nobody comes for leaves the lease shared as before, and others may share again", async () => {
      const { id, ticket } = await upgraded({ ttlMs: 60_000 });
      const green = await queue("green", ["src"], shared);
      const { expiresAt } = await show(id);
      expect(expiresAt).toBe(new Date(bench().log.now() + HOUR).toISOString());
      await bench().pass(4_000);
      await look("green", green.id);
      await bench().pass(1_000);
      expect(await show(id)).toMatchObject({ mode: "shared", state: "held", expiresAt });
      const { lease } = await look("green", green.id);
      expect(lease).toMatchObject({ mode: "shared", state: "held" });
      // Its ticket waits again, at its old place.
      await release("green", lease?.id ?? "");
      const again = await look("blue", ticket.id);
      expect(again.lease).toMatchObject({
        id,
        mode: "exclusive",
        expiresAt: new Date(bench().log.now() + 60_000).toISOString(),
      });
    });

    it("is of a lease of the same session, which the request proves alive", async () => {
      const session = newId();
      const before = await acquire("blue", ["src"], { ...shared, session });
      await bench().pass(30_000);
      const after = await acquire("blue", ["src"], { session });
      expect(after).toMatchObject({ id: before.id, mode: "exclusive", session });
      await bench().pass(30_000);
      expect(await show(before.id)).toMatchObject({ state: "held" });
    });

    it("is none for another session or none, which get a lease of their own", async () => {
      const session = newId();
      const beat = (lease: string) =>
        bench().handlers.beat({
          params: { ...params, session },
          body: { leases: [lease as never] },
          ...as("blue"),
        });
      const once = await acquire("blue", ["src"], shared);
      const held = await acquire("blue", ["src"], { session });
      expect(held).toMatchObject({ mode: "exclusive", session });
      expect(await beat(held.id)).toMatchObject({ lost: [] });
      await release("blue", held.id);
      expect(await show(once.id)).toMatchObject({ mode: "shared", state: "held" });
      const kept = await acquire("blue", ["docs"], { ...shared, session });
      const brief = await acquire("blue", ["docs"], { ttlMs: 60_000 });
      expect(brief.id).not.toBe(kept.id);
      for (let i = 0; i < 3; i += 1) {
        await bench().pass(20_000);
        await beat(kept.id);
      }
      expect(await show(brief.id)).toMatchObject({ state: "expired" });
      expect(await show(kept.id)).toMatchObject({ mode: "shared", state: "held" });
    });

    it("or a lease beside one's own shared one goes before those who wait for that one", async () => {
      await acquire("blue", ["src"], shared);
      const red = await queue("red", ["src"]);
      const held = await acquire("blue", ["src"], { session: newId() });
      expect(held).toMatchObject({ mode: "exclusive", state: "held" });
      expect((await look("red", red.id)).lease).toBeNull();
    });

    it("that is left before it was fetched leaves the lease shared as before", async () => {
      const { id, ticket } = await upgraded();
      await bench().handlers.leaveQueue({
        params: { ...params, ticket: ticket.id },
        ...as("blue"),
      });
      expect(await show(id)).toMatchObject({ mode: "shared", state: "held" });
      await acquire("green", ["src"], shared);
    });

    it("that was handed on before it was fetched stays with its new holder", async () => {
      const { id } = await upgraded();
      await bench().handlers.transfer({ ...at(id), body: { to: "green" }, ...as("blue") });
      await bench().pass(6_000);
      expect(await show(id)).toMatchObject({ holder: "green", mode: "exclusive", state: "held" });
    });
  });
}
