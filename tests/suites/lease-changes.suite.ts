import { describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { as, callsOf, files, PROJECT, useReservations } from "../reservations/support.ts";
import type { Driver } from "../support/drivers.ts";

const params = { project: PROJECT };

/** What changes a held lease, semaphores, refs and sessions, over any database. */
export function leaseChangesSuite(driver: Driver): void {
  describe(`a held lease on ${driver.name}`, () => {
    const bench = useReservations(driver);
    const { order, acquire, slot, queue, look, at, release, show } = callsOf(bench);

    it("upgrades in place, with a new fence, when an agent asks for its own shared lease", async () => {
      const shared = await acquire("blue", ["src", "docs"], { mode: "shared" });
      const upgraded = await acquire("blue", ["src", "docs"]);
      expect(upgraded).toMatchObject({ id: shared.id, mode: "exclusive", fence: 2 });
    });

    it("upgrades only alone, and downgrades for those who wait", async () => {
      const blue = await acquire("blue", ["src"], { mode: "shared" });
      const red = await acquire("red", ["src"], { mode: "shared" });
      const mode = (lease: string, to: "shared" | "exclusive") =>
        bench().handlers.setMode({ ...at(lease), body: { mode: to }, ...as("blue") });
      await expect(mode(blue.id, "exclusive")).rejects.toMatchObject({
        details: [{ holder: "red", lease: red.id }],
      });
      await release("red", red.id);
      expect(await mode(blue.id, "exclusive")).toMatchObject({ mode: "exclusive", fence: 3 });
      const waiter = await queue("red", ["src"], { mode: "shared" });
      await mode(blue.id, "shared");
      expect((await look("red", waiter.id)).lease).toMatchObject({ mode: "shared" });
    });

    it("hands a lease to another agent with a new fence", async () => {
      const lease = await acquire("blue", ["src"]);
      await acquire("red", ["docs"]);
      const handed = await bench().handlers.transfer({
        ...at(lease.id),
        body: { to: "red" },
        ...as("blue"),
      });
      expect(handed).toMatchObject({ holder: "red", fence: 3 });
      await expect(release("blue", lease.id)).rejects.toMatchObject({ code: "FORBIDDEN" });
      await expect(acquire("blue", ["src"])).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
      });
    });

    it("takes a lease away by force, for everybody until the lock-delay is over", async () => {
      const lease = await acquire("blue", ["src"]);
      const forced = await bench().handlers.forceRelease({
        ...at(lease.id),
        body: { reason: "stuck" },
        ...as("admin"),
      });
      expect(forced).toMatchObject({ state: "released" });
      await expect(acquire("blue", ["src"])).rejects.toMatchObject({
        details: [{ state: "released", lease: lease.id }],
      });
      await bench().pass(30_000);
      expect(await acquire("red", ["src"])).toMatchObject({ fence: 2 });
      await expect(
        bench().handlers.renew({ ...at(lease.id), body: {}, ...as("blue") }),
      ).rejects.toMatchObject({ code: "LEASE_NOT_HELD" });
    });

    it("revives an expired lease until somebody else was granted it", async () => {
      const one = await acquire("blue", ["src"], { ttlMs: 60_000 });
      const renew = () => bench().handlers.renew({ ...at(one.id), body: {}, ...as("blue") });
      await bench().pass(60_000);
      expect(await show(one.id)).toMatchObject({ state: "expired" });
      expect(await renew()).toMatchObject({ state: "held", fence: 1 });
      await bench().pass(60_000);
      await bench().pass(30_000);
      await acquire("red", ["src/a"]);
      await expect(renew()).rejects.toMatchObject({ code: "LEASE_NOT_HELD" });
    });

    it("gives units of a semaphore, one each, to the agent that has one too", async () => {
      const one = await slot("blue");
      await expect(slot("blue")).rejects.toMatchObject({ code: "RESERVATION_CONFLICT" });
      const ticket = await bench().handlers.enqueue({
        params,
        body: {
          ...order([]),
          resources: [{ kind: "slot", name: "build" }],
          waitMs: 60_000,
        },
        ...as("red"),
      });
      expect(ticket.lease).toBeNull();
      await bench().handlers.defineSlot({
        params: { ...params, slot: "build" },
        body: { capacity: 2 },
        ...as("admin"),
      });
      expect((await look("red", ticket.id)).lease).toMatchObject({ holder: "red" });
      await release("blue", one.id);
      await slot("green");
      await expect(slot("blue")).rejects.toMatchObject({
        details: [{ holder: "red" }, { holder: "green" }],
      });
    });

    it("takes paths of a repository that ignores case for the same, from when that was said", async () => {
      const ignoring = (ignoreCase: boolean) =>
        bench().handlers.defineRepository({
          params: { ...params, repo: "app" },
          body: { ignoreCase },
          ...as("admin"),
        });
      await acquire("blue", ["Src/A.ts"]);
      await acquire("red", ["src/a.ts"]);
      await ignoring(true);
      for (const name of ["green", "red"])
        await expect(acquire(name, ["SRC/**"])).rejects.toMatchObject({
          details: expect.arrayContaining([expect.objectContaining({ holder: "blue" })]) as unknown,
        });
      const lib = await acquire("green", ["Lib/[A-C]*"]);
      expect(lib.resources).toEqual([
        { kind: "file", repo: "app", pattern: "Lib/[A-C]*", ignoreCase: true },
      ]);
      await expect(queue("red", ["lib/b"])).resolves.toMatchObject({
        lease: null,
        conflicts: [{ holder: "green", witness: "lib/b" }],
      });
      await ignoring(false);
      // A lease that ignores case does so towards all that come later.
      await expect(acquire("yellow", ["lIB"])).rejects.toMatchObject({
        details: [{ holder: "green" }, { holder: "red" }],
      });
      await acquire("yellow", ["SRC"]);
    });

    it("keeps leases of different branches apart", async () => {
      await acquire("blue", ["src"], { refs: ["main"] });
      await acquire("red", ["src"], { refs: ["dev", "refs/heads/next"] });
      await expect(acquire("green", ["src"])).rejects.toMatchObject({
        details: [{ holder: "blue" }, { holder: "red" }],
      });
      await expect(acquire("green", ["src"], { refs: ["refs/heads/main"] })).rejects.toMatchObject({
        details: [{ holder: "blue" }],
      });
    });

    it("grants what is free of a partial request and lists the rest", async () => {
      await acquire("blue", ["src"]);
      const partial = await acquire("red", ["src/a", "docs"], { partial: true });
      expect(partial.resources).toEqual(files("docs"));
      expect(partial.conflicts).toMatchObject([{ pattern: "src/a", holder: "blue" }]);
      await expect(acquire("green", ["src"], { partial: true })).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
      });
    });

    it("only asks when it is only asked", async () => {
      await acquire("blue", ["src"]);
      const check = (patterns: string[]) =>
        bench().handlers.check({
          params,
          body: { resources: files(...patterns), mode: "exclusive" },
          ...as("red"),
        });
      expect(await check(["docs"])).toEqual({ free: true, conflicts: [] });
      expect(await check(["src/**/*.ts"])).toMatchObject({
        free: false,
        conflicts: [
          {
            holder: "blue",
            program: "codex",
            witness: "src/.ts",
            wait: "gridpost reserve 'src/**/*.ts' --repo app --wait 10m",
          },
        ],
      });
    });

    it("tells each holder and fence of a lease that was upgraded and handed on", async () => {
      const lease = await acquire("blue", ["src"], { mode: "shared" });
      const start = bench().log.now();
      bench().clock.advance(1_000);
      await acquire("blue", ["src"]);
      bench().clock.advance(1_000);
      await bench().handlers.transfer({ ...at(lease.id), body: { to: "red" }, ...as("blue") });
      bench().clock.advance(1_000);
      await release("red", lease.id);
      const query = { resource: "src/a", repo: "app", limit: 50 };
      const { leases } = await bench().handlers.history({ params, query, ...as("x") });
      const tenures = leases.map(({ holder, fence, mode, state, grantedAt, endedAt }) => [
        `${holder} ${fence} ${mode} ${state}`,
        Date.parse(grantedAt) - start,
        Date.parse(endedAt ?? "") - start,
      ]);
      expect(tenures).toEqual([
        ["red 3 exclusive released", 2_000, 3_000],
        ["blue 2 exclusive superseded", 1_000, 2_000],
        ["blue 1 shared superseded", 0, 1_000],
      ]);
      const second = await bench().handlers.history({
        params,
        query: { ...query, after: "3", limit: 1 },
        ...as("x"),
      });
      expect(second.leases).toMatchObject([{ fence: 2 }]);
    });

    it("tells who held what a pattern covers, newest first", async () => {
      const one = await acquire("blue", ["src/a.ts"]);
      await release("blue", one.id);
      await acquire("red", ["docs"]);
      await acquire("red", ["src"]);
      const { leases, next } = await bench().handlers.history({
        params,
        query: { resource: "src/*.ts", repo: "app", limit: 50 },
        ...as("x"),
      });
      expect(leases.map(({ holder, fence, state }) => [holder, fence, state])).toEqual([
        ["red", 3, "held"],
        ["blue", 1, "released"],
      ]);
      expect(next).toBeNull();
    });

    describe("sessions", () => {
      const session = newId();
      const beat = (name: string, leases: string[] = []) =>
        bench().handlers.beat({
          params: { ...params, session },
          body: { leases: leases as never[] },
          ...as(name),
        });

      it("keep all their leases by beats, whatever the TTL", async () => {
        const one = await acquire("blue", ["src"], { session, ttlMs: 60_000 });
        for (let i = 0; i < 20; i += 1) {
          await bench().pass(15_000);
          expect(await beat("blue", [one.id])).toMatchObject({ lost: [] });
        }
        expect(await show(one.id)).toMatchObject({
          state: "held",
          expiresAt: new Date(bench().log.now() + 300_000).toISOString(),
        });
      });

      it("bring their leases into grace after 45 s of silence, and to an end after 5 min", async () => {
        const one = await acquire("blue", ["src"], { session });
        await bench().pass(30_000);
        await beat("blue");
        await bench().pass(44_000);
        expect(await show(one.id)).toMatchObject({ state: "held" });
        await bench().pass(1_000);
        expect(await show(one.id)).toMatchObject({ state: "grace" });
        await expect(acquire("red", ["src"])).rejects.toMatchObject({
          code: "RESERVATION_CONFLICT",
        });
        await beat("blue");
        expect(await show(one.id)).toMatchObject({ state: "held" });
        await bench().pass(45_000);
        await bench().pass(254_999);
        expect(await show(one.id)).toMatchObject({ state: "grace" });
        await bench().pass(1);
        expect(await show(one.id)).toMatchObject({ state: "expired" });
        expect(await beat("blue", [one.id])).toMatchObject({ lost: [one.id] });
      });

      it("are their holder's alone", async () => {
        await acquire("blue", ["src"], { session });
        await expect(acquire("red", ["docs"], { session })).rejects.toMatchObject({
          code: "FORBIDDEN",
        });
        const other = await acquire("red", ["docs"]);
        expect(await beat("red", [other.id])).toMatchObject({ lost: [other.id] });
      });
    });
  });
}
