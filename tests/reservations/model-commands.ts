import fc from "fast-check";
import { expect } from "vitest";
import {
  type LeaseModel,
  LOCK_DELAY_MS,
  type Mode,
  type ModelLease,
  PATTERNS,
  type Wish,
} from "./lease-model.ts";
import { params, type RealLeases } from "./model-real.ts";
import { as, files } from "./support.ts";

type Command = fc.AsyncCommand<LeaseModel, RealLeases>;
type Run = (model: LeaseModel, real: RealLeases) => Promise<void>;

/** A command that is always possible and after which both sides must agree. */
const command = (name: string, run: Run): Command => ({
  check: () => true,
  toString: () => name,
  run: async (model, real) => {
    await run(model, real);
    await real.agreeWith(model);
  },
});

/** A command on one of the leases that there are. */
const onLease = (
  name: string,
  n: number,
  run: (model: LeaseModel, real: RealLeases, lease: ModelLease) => Promise<void>,
): Command => ({
  check: ({ leases }) => leases.length > 0,
  toString: () => `${name} #${n}`,
  run: async (model, real) => {
    const lease = model.leases[n % model.leases.length];
    if (lease !== undefined) await run(model, real, lease);
    await real.agreeWith(model);
  },
});

const at = (lease: ModelLease) => ({ params: { ...params, lease: lease.id as never } });
const codeOf = async (call: Promise<unknown>): Promise<string | null> =>
  call.then(
    () => null,
    (error: { code?: string }) => error.code ?? "a mistake of the test",
  );

const body = ({ mode, pattern }: Wish, ttlMs: number) => ({
  resources: files(pattern),
  mode,
  ttlMs,
});

const acquire = (wish: Wish, ttlMs: number): Command =>
  command(`acquire ${JSON.stringify(wish)} ${ttlMs}`, async (model, real) => {
    const call = real.handlers.acquire({
      params,
      body: { ...body(wish, ttlMs), partial: false },
      ...as(wish.holder),
    });
    if (!model.isFree(wish)) {
      expect(await codeOf(call)).toBe("RESERVATION_CONFLICT");
      return;
    }
    const lease = await call;
    expect(lease.fence).toBe(model.fence + 1);
    model.take({ ...wish, ttlMs }, lease);
  });

const enqueue = (wish: Wish, ttlMs: number): Command =>
  command(`wait ${JSON.stringify(wish)} ${ttlMs}`, async (model, real) => {
    const call = real.handlers.enqueue({
      params,
      body: { ...body(wish, ttlMs), waitMs: 86_400_000 },
      ...as(wish.holder),
    });
    if (!model.isFree(wish) && model.leadsBack(wish)) {
      expect(await codeOf(call)).toBe("WAIT_CYCLE");
      return;
    }
    const { id, lease } = await call;
    expect(lease !== null).toBe(model.isFree(wish));
    if (lease !== null) model.take({ ...wish, ttlMs }, lease);
    else model.tickets.push({ ...wish, id, ttlMs });
  });

const leave = (n: number): Command =>
  command(`leave #${n}`, async (model, real) => {
    const ticket = model.tickets[n % Math.max(1, model.tickets.length)];
    if (ticket === undefined) return;
    await real.handlers.leaveQueue({
      params: { ...params, ticket: ticket.id },
      ...as(ticket.holder),
    });
    model.tickets = model.tickets.filter((one) => one !== ticket);
  });

const renew = (n: number, ttlMs: number): Command =>
  onLease(`renew ${ttlMs}`, n, async (model, real, lease) => {
    const call = real.handlers.renew({ ...at(lease), body: { ttlMs }, ...as(lease.holder) });
    const possible = lease.state === "held" || lease.state === "expired";
    expect(await codeOf(call)).toBe(possible ? null : "LEASE_NOT_HELD");
    if (!possible) return;
    lease.state = "held";
    lease.due = model.now + ttlMs;
    lease.lockedUntil = 0;
  });

const release = (n: number): Command =>
  onLease("release", n, async (_model, real, lease) => {
    await real.handlers.release({ ...at(lease), ...as(lease.holder) });
    if (lease.state === "held") lease.state = "released";
  });

const setMode = (n: number, mode: Mode): Command =>
  onLease(`set ${mode}`, n, async (model, real, lease) => {
    const call = real.handlers.setMode({ ...at(lease), body: { mode }, ...as(lease.holder) });
    const code = await codeOf(call);
    if (lease.state !== "held") expect(code).toBe("LEASE_NOT_HELD");
    else if (lease.mode === mode) expect(code).toBeNull();
    else if (mode === "exclusive" && model.rivals({ ...lease, mode }).length > 0)
      expect(code).toBe("RESERVATION_CONFLICT");
    else {
      expect(code).toBeNull();
      lease.mode = mode;
      if (mode === "exclusive") model.newFence(lease);
    }
  });

const transfer = (n: number, to: string): Command =>
  onLease(`transfer to ${to}`, n, async (model, real, lease) => {
    const call = real.handlers.transfer({ ...at(lease), body: { to }, ...as(lease.holder) });
    const code = await codeOf(call);
    const rivals = model.rivals({ ...lease, holder: to }).filter((one) => one !== lease);
    if (lease.state !== "held") expect(code).toBe("LEASE_NOT_HELD");
    else if (rivals.length > 0) expect(code).toBe("RESERVATION_CONFLICT");
    else {
      expect(code).toBeNull();
      lease.holder = to;
      lease.due = model.now + lease.ttlMs;
      model.newFence(lease);
    }
  });

const force = (n: number): Command =>
  onLease("force", n, async (model, real, lease) => {
    const call = real.handlers.forceRelease({
      ...at(lease),
      body: { reason: "test" },
      ...as("admin"),
    });
    const possible = lease.state === "held";
    expect(await codeOf(call)).toBe(possible ? null : "LEASE_NOT_HELD");
    if (!possible) return;
    lease.state = "released";
    lease.forced = true;
    lease.lockedUntil = model.now + LOCK_DELAY_MS;
  });

/** In steps short enough for waiters to keep their places. */
const advance = (steps: number, ms: number): Command =>
  command(`advance ${steps} x ${ms}`, async (model, real) => {
    for (let step = 0; step < steps; step += 1) {
      await real.pass(ms);
      model.advance(ms);
      await real.agreeWith(model);
    }
  });

const jumpWall = (ms: number): Command =>
  command(`jump ${ms}`, (_model, real) => Promise.resolve(real.jumpWall(ms)));

const crash = (): Command => command("crash", (_model, real) => real.crash());

export function leaseCommands(): fc.Arbitrary<Command>[] {
  const holder = fc.constantFrom("blue", "red", "green");
  const mode = fc.constantFrom<Mode>("exclusive", "shared");
  const wish = fc.record({ holder, mode, pattern: fc.constantFrom(...PATTERNS) });
  const ttl = fc.constantFrom(60_000, 90_000, 200_000);
  const n = fc.nat(20);
  return [
    fc.tuple(wish, ttl).map(([one, ms]) => acquire(one, ms)),
    fc.tuple(wish, ttl).map(([one, ms]) => acquire(one, ms)),
    fc.tuple(wish, ttl).map(([one, ms]) => enqueue(one, ms)),
    fc.tuple(wish, ttl).map(([one, ms]) => enqueue(one, ms)),
    n.map(leave),
    fc.tuple(n, ttl).map(([i, ms]) => renew(i, ms)),
    n.map(release),
    n.map(release),
    fc.tuple(n, mode).map(([i, to]) => setMode(i, to)),
    fc.tuple(n, holder).map(([i, to]) => transfer(i, to)),
    n.map(force),
    fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom(1, 10_000, 20_000))
      .map(([s, ms]) => advance(s, ms)),
    fc.integer({ min: -3_600_000, max: 3_600_000 }).map(jumpWall),
    fc.constant(crash()),
  ];
}
