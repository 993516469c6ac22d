import { describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import type { ProblemError } from "../../contract/problem.ts";
import { leasePort } from "../../reservations/lease-port.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import { as, files, PROJECT, useReservations } from "../reservations/support.ts";
import type { Driver } from "../support/drivers.ts";

const HOUR = 3_600_000;
const params = { project: PROJECT };

/** What leases do, over any database. */
export function reservationsSuite(driver: Driver): void {
  describe(`leases on ${driver.name}`, () => {
    const bench = useReservations(driver);

    const acquire = (name: string, patterns: string[], extra: object = {}) =>
      bench().handlers.acquire({
        params,
        body: {
          resources: files(...patterns),
          mode: "exclusive",
          ttlMs: HOUR,
          partial: false,
          ...extra,
        },
        ...as(name),
      });
    const show = (lease: string) =>
      bench().handlers.lease({ params: { project: PROJECT, lease: lease as never }, ...as("x") });
    const renew = (name: string, lease: string, ttlMs?: number) =>
      bench().handlers.renew({
        params: { project: PROJECT, lease: lease as never },
        body: ttlMs === undefined ? {} : { ttlMs },
        ...as(name),
      });
    const release = (name: string, lease: string) =>
      bench().handlers.release({
        params: { project: PROJECT, lease: lease as never },
        ...as(name),
      });

    it("grants with a rising fence that a release does not reset", async () => {
      const one = await acquire("blue", ["src/a.ts"]);
      await release("blue", one.id);
      const two = await acquire("red", ["src/a.ts"]);
      expect([one.fence, two.fence]).toEqual([1, 2]);
      expect(one.expiresAt).toBe(new Date(bench().log.now() + HOUR).toISOString());
    });

    it("refuses what meets another's exclusive lease and names it", async () => {
      const held = await acquire("blue", ["src"], { reason: "refactoring", thread: "t1" });
      await expect(acquire("red", ["docs", "src/a.ts"])).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
        details: [
          {
            pattern: "src/a.ts",
            held: "src",
            witness: "src/a.ts",
            lease: held.id,
            holder: "blue",
            fence: 1,
            expiresAt: held.expiresAt,
            reason: "refactoring",
            thread: "t1",
          },
        ],
      });
      const { leases } = await bench().handlers.leases({
        params,
        query: { limit: 50, mine: false },
        ...as("x"),
      });
      expect(leases.map(({ id }) => id)).toEqual([held.id]);
    });

    it("finds the one that meets among hundreds, and names a hundred at most", async () => {
      const others = Array.from({ length: 600 }, (_, n) => `src/*-${n}.ts`);
      await acquire("blue", [...others, "src/*.md"]);
      await expect(acquire("red", ["**/x.md"])).rejects.toMatchObject({
        details: [{ held: "src/*.md", witness: "src/x.md" }],
      });
      const refused = acquire("red", ["src", "src/[ab]-*", "docs"]);
      const { details } = (await refused.catch((error: unknown) => error)) as ProblemError;
      expect(details).toHaveLength(100);
      const { conflicts, resources } = await acquire("red", ["src", "src/a-7.ts", "docs"], {
        partial: true,
      });
      expect(resources).toMatchObject([{ pattern: "docs" }]);
      expect(conflicts).toHaveLength(100);
    });

    it("decides once against the same pattern, however many ended leases have it", async () => {
      const [costly, other] = ["*a", "*b"].map((part) => `${part.repeat(120)}*`);
      const ids: string[] = [];
      for (let n = 0; n < 60; n += 1)
        ids.push((await acquire("blue", [costly ?? ""], { ttlMs: 60_000 })).id);
      await bench().pass(60_000);
      await bench().pass(30_000);
      expect(await acquire("red", [other ?? ""])).toMatchObject({ state: "held" });
      for (const id of ids) expect(await show(id)).toMatchObject({ state: "superseded" });
    });

    it("lets shared leases and an agent's own leases stand beside each other", async () => {
      await acquire("blue", ["src/**"], { mode: "shared" });
      await acquire("red", ["src/a.ts"], { mode: "shared" });
      await expect(acquire("red", ["src/a.ts"])).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
      });
      await acquire("green", ["docs"]);
      await acquire("green", ["docs/x"]);
    });

    it("renews from now, without accumulating", async () => {
      const { id } = await acquire("blue", ["src"]);
      await bench().pass(HOUR / 2);
      const renewed = await renew("blue", id);
      expect(renewed.expiresAt).toBe(new Date(bench().log.now() + HOUR).toISOString());
      const again = await renew("blue", id, 60_000);
      expect(again.expiresAt).toBe(new Date(bench().log.now() + 60_000).toISOString());
    });

    it("expires a lease at its time, keeps its row, and grants again after the lock-delay", async () => {
      const { id } = await acquire("blue", ["src"]);
      await bench().pass(HOUR - 1);
      expect(await show(id)).toMatchObject({ state: "held" });
      await bench().pass(1);
      expect(await show(id)).toMatchObject({ state: "expired", expiresAt: null });
      await expect(acquire("red", ["src/a.ts"])).rejects.toMatchObject({
        code: "RESERVATION_CONFLICT",
      });
      await bench().pass(30_000);
      const next = await acquire("red", ["src/a.ts"]);
      expect(next.fence).toBe(2);
      expect(await show(id)).toMatchObject({ state: "superseded" });
    });

    it("releases once, answers the same the second time, and only to its holder", async () => {
      const { id } = await acquire("blue", ["src"]);
      await expect(release("red", id)).rejects.toMatchObject({ code: "FORBIDDEN" });
      expect(await release("blue", id)).toMatchObject({ state: "released", expiresAt: null });
      expect(await release("blue", id)).toMatchObject({ state: "released" });
      await acquire("red", ["src"]);
      await expect(renew("blue", id)).rejects.toMatchObject({ code: "LEASE_NOT_HELD" });
    });

    it("answers a repeated acquire with the lease as it is now", async () => {
      const call = () =>
        bench().handlers.acquire({
          params,
          body: { resources: files("src"), mode: "exclusive", ttlMs: HOUR, partial: false },
          ...as("blue", "k1"),
        });
      const first = await call();
      expect(await call()).toEqual(first);
      await release("blue", first.id);
      await expect(call()).rejects.toMatchObject({ code: "LEASE_NOT_HELD" });
    });

    it("refuses a time to live out of bounds and an unknown lease", async () => {
      await expect(acquire("blue", ["src"], { ttlMs: 59_999 })).rejects.toMatchObject({
        code: "UNPROCESSABLE",
      });
      await expect(show(newId())).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    it("lists in pages by fence and by kind", async () => {
      for (let n = 0; n < 5; n += 1) await acquire(n % 2 ? "red" : "blue", [`f${n}`]);
      const list = (query: object) =>
        bench().handlers.leases({
          params,
          query: { limit: 2, mine: false, ...query },
          ...as("red"),
        });
      const first = await list({});
      const second = await list({ after: first.next });
      expect([...first.leases, ...second.leases].map(({ fence }) => fence)).toEqual([1, 2, 3, 4]);
      expect((await list({ mine: true })).leases.map(({ fence }) => fence)).toEqual([2, 4]);
      expect((await list({ kind: "gpu" })).leases).toEqual([]);
      expect((await list({ holder: "blue", limit: 9 })).leases).toHaveLength(3);
    });

    it("serves another domain in its own transaction", async () => {
      const port = leasePort({ dialect: bench().log.db.dialect, settings: DEFAULT_LEASE_SETTINGS });
      const grant = (holder: string, run: string) =>
        bench().log.tx([], (tx) =>
          port.grant(tx, {
            project: PROJECT,
            holder,
            resources: [
              { kind: "cell", run },
              { kind: "gpu", node: "n1", uuid: `GPU-${run}` },
            ],
            ttlMs: 90_000,
            reason: null,
            thread: null,
            actor: holder,
          }),
        );
      const one = await grant("node:n1", "r1");
      const two = await grant("node:n1", "r2");
      await expect(grant("node:n2", "r1")).rejects.toMatchObject({ code: "RESERVATION_CONFLICT" });
      await bench().pass(60_000);
      const renew = (id: string) => bench().log.tx([], (tx) => port.renew(tx, id, 90_000));
      expect(await renew(one.id)).toBe(true);
      await bench().pass(30_000);
      expect([await renew(one.id), await renew(two.id)]).toEqual([true, false]);
      expect(await port.accepts(bench().log.query, two.id)).toBe(true);
      await bench().log.tx([], (tx) => port.release(tx, { lease: one.id, actor: "node:n1" }));
      expect(await port.accepts(bench().log.query, one.id)).toBe(false);
      expect((await grant("node:n2", "r1")).fence).toBe(3);
      await bench().pass(60_000);
      await grant("node:n2", "r2");
      expect(await port.accepts(bench().log.query, two.id)).toBe(false);
    });
  });
}
