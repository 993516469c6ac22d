import fc from "fast-check";
import { expect, it } from "vitest";
import type { Resource } from "../../contract/resource.ts";
import { drivers } from "../support/drivers.ts";
import { as, type Bench, openReservations, PROJECT } from "./support.ts";

const params = { project: PROJECT };
const AGENTS = ["blue", "red", "green", "yellow"];
const RESOURCES: readonly Resource[] = [
  { kind: "slot", name: "one" },
  { kind: "slot", name: "two" },
  { kind: "model", name: "m@1" },
  { kind: "file", repo: "app", pattern: "a" },
];

const step = fc.record({
  agent: fc.constantFrom(...AGENTS),
  resources: fc.uniqueArray(fc.constantFrom(...RESOURCES), { minLength: 1, maxLength: 2 }),
});

const order = (resources: readonly Resource[]) => ({
  resources: [...resources],
  mode: "exclusive" as const,
  ttlMs: 3_600_000,
  waitMs: 600_000,
});

const shortName = (holder: string): string => holder.slice(`agent:${PROJECT}/`.length);

async function waiting({ log }: Bench): Promise<Set<string>> {
  const rows = await log.query<{ holder: string }>(
    "select holder from e_lease_tickets where state = 'waiting'",
  );
  return new Set(rows.map(({ holder }) => shortName(holder)));
}

/** Whoever waits for nothing gives back what it holds, until nothing changes; `stubborn` gives nothing back. */
async function letGo(bench: Bench, stubborn?: string): Promise<void> {
  for (let given = 1; given > 0;) {
    given = 0;
    const busy = new Set([...(await waiting(bench)), stubborn]);
    const query = { limit: 100, mine: false };
    const { leases } = await bench.handlers.leases({ params, query, ...as("x") });
    for (const { id, holder } of leases) {
      if (busy.has(holder)) continue;
      await bench.handlers.release({ params: { ...params, lease: id as never }, ...as(holder) });
      given += 1;
    }
  }
}

/** Nobody holds or waits for anything any longer. */
async function clear(bench: Bench): Promise<void> {
  const tickets = await bench.log.query<{ id: string; holder: string }>(
    "select id, holder from e_lease_tickets",
  );
  for (const { id, holder } of tickets)
    await bench.handlers.leaveQueue({
      params: { ...params, ticket: id },
      ...as(shortName(holder)),
    });
  await letGo(bench);
}

/** Takes the steps, each with a place in the queue, to the first that is refused; checks what became of it. */
async function follow(
  bench: Bench,
  steps: readonly { readonly agent: string; readonly resources: readonly Resource[] }[],
): Promise<"refused" | "accepted"> {
  const asked = new Set<string>();
  for (const { agent, resources: all } of steps) {
    // Nobody asks for a second unit: it may come from another process of the same agent.
    const resources = all.filter((one) => one.kind !== "slot" || !asked.has(agent + one.name));
    for (const one of resources) if (one.kind === "slot") asked.add(agent + one.name);
    // Whoever waits does nothing else, asking included.
    if (resources.length === 0 || (await waiting(bench)).has(agent)) continue;
    try {
      await bench.handlers.enqueue({ params, body: order(resources), ...as(agent) });
    } catch (error) {
      expect(error).toMatchObject({ code: "WAIT_CYCLE" });
      await letGo(bench, agent);
      const body = order(resources);
      const { free } = await bench.handlers.check({ params, body, ...as(agent) });
      expect(free).toBe(false);
      return "refused";
    }
  }
  await letGo(bench);
  expect([...(await waiting(bench))]).toEqual([]);
  return "accepted";
}

it("a wait is refused exactly when nobody could ever end it", async () => {
  const [driver] = drivers;
  if (driver === undefined) throw new RangeError("no database");
  const seen = { refused: 0, accepted: 0 };
  const bench = await openReservations(driver);
  await bench.handlers.defineSlot({
    params: { ...params, slot: "two" },
    body: { capacity: 2 },
    ...as("admin"),
  });
  await fc.assert(
    fc
      .asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        seen[await follow(bench, steps)] += 1;
      })
      .afterEach(() => clear(bench)),
    { numRuns: 70, seed: 4 },
  );
  await bench.close();
  expect(seen.refused).toBeGreaterThan(10);
  expect(seen.accepted).toBeGreaterThan(10);
});
