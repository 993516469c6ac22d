import { describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { leasePort } from "../../reservations/lease-port.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import { as, callsOf, PROJECT, useReservations } from "../reservations/support.ts";
import type { Driver } from "../support/drivers.ts";

const HOUR = 3_600_000;
const params = { project: PROJECT };

/** Waiting for leases, over any database. */
export function leaseQueueSuite(driver: Driver): void {
  describe(`the queue for leases on ${driver.name}`, () => {
    const bench = useReservations(driver);
    const { acquire, queue, look, at, release } = callsOf(bench);

    it("grants in the order of asking, and a newcomer stands behind a waiter it conflicts with", async () => {
      const held = await acquire("blue", ["src"], { mode: "shared" });
      const first = await queue("red", ["src/**"]);
      expect(first).toMatchObject({ lease: null, conflicts: [{ holder: "blue", queue: 1 }] });
      // It would not conflict with blue's shared lease, but red was first.
      await expect(acquire("green", ["src/a"], { mode: "shared" })).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
        details: [{ holder: "red", state: "waiting", lease: null }],
      });
      const second = await queue("green", ["src/a"], { mode: "shared" });
      await release("blue", held.id);
      const taken = await look("red", first.id);
      expect(taken.lease).toMatchObject({ holder: "red", state: "held" });
      expect((await look("green", second.id)).lease).toBeNull();
      await release("red", taken.lease?.id ?? "");
      expect((await look("green", second.id)).lease).toMatchObject({ fence: 3 });
    });

    it("lets those pass who conflict with nobody ahead", async () => {
      await acquire("blue", ["src"]);
      await queue("red", ["src"]);
      expect(await acquire("green", ["docs"])).toMatchObject({ state: "held" });
    });

    it("wakes a long poll when the lease is there, and starts its time then", async () => {
      const held = await acquire("blue", ["src"]);
      const ticket = await queue("red", ["src"]);
      const waiting = look("red", ticket.id, 20_000);
      await release("blue", held.id);
      const { lease } = await waiting;
      expect(lease).toMatchObject({ holder: "red" });
      expect(lease?.expiresAt).toBe(new Date(bench().log.now() + HOUR).toISOString());
      // A lost answer can be fetched again.
      expect((await look("red", ticket.id)).lease?.id).toBe(lease?.id);
    });

    it("keeps a place for 30 s after the last call about it", async () => {
      const held = await acquire("blue", ["src"]);
      const red = await queue("red", ["src"]);
      const green = await queue("green", ["src"]);
      await bench().pass(20_000);
      await look("green", green.id);
      await bench().pass(15_000);
      await expect(look("red", red.id)).rejects.toMatchObject({ code: "NOT_FOUND" });
      await release("blue", held.id);
      expect((await look("green", green.id)).lease).toMatchObject({ holder: "green" });
    });

    it("lets others pass a waiter that is away, which is first again when it is back", async () => {
      const held = await acquire("blue", ["src"]);
      const red = await queue("red", ["src"]);
      await look("red", red.id);
      await bench().pass(10_000);
      await release("blue", held.id);
      const passing = await acquire("green", ["src"]);
      const late = await queue("yellow", ["src"]);
      expect((await look("red", red.id)).lease).toBeNull();
      await release("green", passing.id);
      expect((await look("yellow", late.id)).lease).toBeNull();
      expect((await look("red", red.id)).lease).toMatchObject({ holder: "red" });
    });

    it("gives back a lease that nobody came for", async () => {
      const held = await acquire("blue", ["src"]);
      await queue("red", ["src"]);
      await release("blue", held.id);
      await expect(acquire("green", ["src"])).rejects.toMatchObject({
        details: [{ holder: "red" }],
      });
      await bench().pass(31_000);
      expect(await acquire("green", ["src"])).toMatchObject({ fence: 3 });
    });

    it("ends a wait in time with what stood in the way", async () => {
      await acquire("blue", ["src"]);
      const ticket = await queue("red", ["src"], { waitMs: 5_000 });
      bench().clock.advance(5_000);
      await expect(look("red", ticket.id)).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
        details: [{ holder: "blue" }],
      });
    });

    it("lets a waiter leave and lets the next one move up", async () => {
      await acquire("blue", ["src"], { mode: "shared" });
      const red = await queue("red", ["src"]);
      const green = await queue("green", ["src"], { mode: "shared" });
      await expect(
        bench().handlers.leaveQueue({ params: { ...params, ticket: red.id }, ...as("green") }),
      ).rejects.toMatchObject({ code: "FORBIDDEN" });
      await bench().handlers.leaveQueue({ params: { ...params, ticket: red.id }, ...as("red") });
      expect((await look("green", green.id)).lease).toMatchObject({ mode: "shared" });
    });

    it("waits out the lock-delay after an expiry", async () => {
      await acquire("blue", ["src"], { ttlMs: 60_000 });
      const ticket = await queue("red", ["src"]);
      await look("red", ticket.id, 0);
      await bench().pass(29_000);
      await look("red", ticket.id, 0);
      await bench().pass(29_000);
      await look("red", ticket.id, 0);
      await bench().pass(3_000);
      expect((await look("red", ticket.id)).lease).toBeNull();
      await bench().pass(29_000);
      expect((await look("red", ticket.id)).lease).toBeNull();
      await bench().pass(1_000);
      expect((await look("red", ticket.id)).lease).toMatchObject({ holder: "red" });
    });

    it("refuses the younger of two who would wait for each other", async () => {
      await acquire("blue", ["a"]);
      await acquire("red", ["b"]);
      await acquire("green", ["c"]);
      await queue("blue", ["b"]);
      await queue("red", ["c"]);
      await expect(queue("green", ["a"])).rejects.toMatchObject({
        code: "WAIT_CYCLE",
        details: [{ holders: ["green", "blue", "red", "green"] }],
      });
    });

    it("refuses a wait for a semaphore of which nobody can give a unit back, and only that", async () => {
      const slot = (name: string) => ({ resources: [{ kind: "slot" as const, name }] });
      await acquire("blue", [], slot("licence"));
      await acquire("red", ["a"]);
      await queue("blue", ["a"]);
      await expect(queue("red", [], slot("licence"))).rejects.toMatchObject({
        code: "WAIT_CYCLE",
        details: [{ holders: ["red", "blue", "red"] }],
        message: expect.stringContaining("red waits for blue waits for red") as string,
      });
      const capacity = (units: number) =>
        bench().handlers.defineSlot({
          params: { ...params, slot: "licence" },
          body: { capacity: units },
          ...as("admin"),
        });
      await capacity(2);
      await acquire("green", [], slot("licence"));
      // Green may give its unit back.
      const red = await queue("red", [], slot("licence"));
      await expect(queue("green", ["a"])).rejects.toMatchObject({
        code: "WAIT_CYCLE",
        details: [{ holders: ["green", "red", "green"] }],
      });
      await capacity(3);
      expect((await look("red", red.id)).lease).toMatchObject({ holder: "red" });
    });

    it("lets one process of an agent wait for the unit of another one", async () => {
      const slot = { resources: [{ kind: "slot", name: "licence" }] };
      const held = await acquire("blue", [], slot);
      const second = await queue("blue", [], slot);
      await release("blue", held.id);
      expect((await look("blue", second.id)).lease).toMatchObject({ holder: "blue" });
    });

    it("finds a circle of leases on a file, a model, a GPU and a semaphore", async () => {
      const of = {
        blue: { kind: "model", name: "llama@main" },
        red: { kind: "gpu", node: "n1", uuid: "GPU-1" },
        green: { kind: "slot", name: "licence" },
        yellow: { kind: "file", repo: "app", pattern: "src" },
      } as const;
      const names = Object.keys(of) as (keyof typeof of)[];
      for (const name of names) await acquire(name, [], { resources: [of[name]] });
      const next = (name: keyof typeof of) => names[(names.indexOf(name) + 1) % 4] ?? "blue";
      for (const name of names.slice(0, 3)) await queue(name, [], { resources: [of[next(name)]] });
      await expect(queue("yellow", [], { resources: [of.blue] })).rejects.toMatchObject({
        details: [{ holders: ["yellow", "blue", "red", "green", "yellow"] }],
      });
    });

    it("waits out the lock-delay of somebody who waits itself", async () => {
      await acquire("blue", ["a"], { ttlMs: 60_000 });
      await acquire("red", ["b"]);
      await bench().pass(61_000);
      const blue = await queue("blue", ["b"]);
      const red = await queue("red", ["a"]);
      await bench().pass(29_000);
      await look("blue", blue.id);
      await look("red", red.id);
      await bench().pass(2_000);
      expect((await look("red", red.id)).lease).toMatchObject({ holder: "red" });
    });

    it("takes nobody for a waiter who is away, and finds the circle when it is back", async () => {
      await acquire("blue", ["a"]);
      await acquire("red", ["b"]);
      const red = await queue("red", ["a"]);
      await bench().pass(6_000);
      const blue = await queue("blue", ["b"]);
      expect((await look("red", red.id)).lease).toBeNull();
      await expect(look("blue", blue.id)).rejects.toMatchObject({
        code: "WAIT_CYCLE",
        details: [{ holders: ["red", "blue", "red"] }],
      });
    });

    it("finds a circle that a transfer closes, and tells the younger waiter", async () => {
      const a = await acquire("blue", ["a"]);
      await acquire("red", ["b"]);
      const red = await queue("red", ["a"]);
      const green = await queue("green", ["b"]);
      await bench().handlers.transfer({ ...at(a.id), body: { to: "green" }, ...as("blue") });
      await expect(look("green", green.id)).rejects.toMatchObject({ code: "WAIT_CYCLE" });
      expect((await look("red", red.id)).lease).toBeNull();
    });

    it("makes a session its waiter's own from the start", async () => {
      const session = newId();
      await acquire("blue", ["src"]);
      await queue("red", ["src"], { session });
      await expect(queue("green", ["src"], { session })).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      await expect(acquire("green", ["docs"], { session })).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
    });

    it("tells the waiter alone that its session became somebody else's, and goes on to the next", async () => {
      const session = newId();
      const held = await acquire("blue", ["src"]);
      const red = await queue("red", ["src"], { session });
      const green = await queue("green", ["src"]);
      for (let i = 0; i < 3; i += 1) {
        await bench().pass(20_000);
        await look("red", red.id);
        await look("green", green.id);
      }
      // A session that holds nothing is forgotten in its silence.
      await acquire("yellow", ["docs"], { session });
      expect(await release("blue", held.id)).toMatchObject({ state: "released" });
      await expect(look("red", red.id)).rejects.toMatchObject({
        code: "FORBIDDEN",
        next: "make a session of your own: any new UUID",
      });
      expect((await look("green", green.id)).lease).toMatchObject({ holder: "green" });
    });

    it("tells the waiter alone that its wish became too much work to decide", async () => {
      const monster = `${"*a".repeat(1_500)}*`;
      const held = await acquire("blue", ["src"]);
      const red = await queue("red", ["src", monster]);
      // Others pass a waiter that is away.
      await bench().pass(6_000);
      await acquire("green", [`${monster}b`]);
      const port = leasePort({ dialect: bench().log.db.dialect, settings: DEFAULT_LEASE_SETTINGS });
      const end = { lease: held.id, actor: "node:n1" };
      expect(await bench().log.tx([], (tx) => port.release(tx, end))).toBe(true);
      await expect(look("red", red.id)).rejects.toMatchObject({ code: "UNPROCESSABLE" });
    });
  });
}
