import { afterEach, beforeEach } from "vitest";
import type { Principal } from "../../contract/handlers.ts";
import { ROLES } from "../../contract/scopes.ts";
import { reservationsDeadlines } from "../../reservations/deadlines.ts";
import type { AgentDirectory, WaitForTicket } from "../../reservations/ports.ts";
import { reservationsHandlers } from "../../reservations/handlers.ts";
import { reservationsProjection } from "../../reservations/projection.ts";
import { DEFAULT_LEASE_SETTINGS, type LeaseSettings } from "../../reservations/settings.ts";
import type { EventLog } from "../../storage/event-log.ts";
import { openLog } from "../../storage/event-log.ts";
import { migrate } from "../../storage/migrate.ts";
import type { TestClock } from "../support/clock.ts";
import type { Driver } from "../support/drivers.ts";
import { expectReplayed } from "../support/replayed.ts";

export const PROJECT = "default";

export const agent = (name: string): Principal => ({
  id: `agent:${PROJECT}/${name}`,
  kind: "agent",
  name,
  project: PROJECT,
  act: null,
  actor: `agent:${PROJECT}/${name}`,
  scopes: new Set(ROLES.admin),
});

/** What a handler needs beside its input. */
export const as = (name: string, key?: string) => ({
  principal: agent(name),
  idempotency: key === undefined ? null : { key, endpoint: "test", hash: key },
  signal: new AbortController().signal,
});

/** Every name is an agent's. */
export const agents: AgentDirectory = {
  describe: (_query, _project, names) =>
    Promise.resolve(
      new Map(names.map((name) => [name, { program: "codex", lastActivityAt: null }])),
    ),
};

/** Resolves after the next commit; who begins to wait as soon as it has looked misses none. */
export function waitOn(log: EventLog): WaitForTicket {
  const waiting = new Set<() => void>();
  void log.db.listen(() => {
    for (const wake of waiting) wake();
  });
  return (_ticket, { ms, signal }) =>
    new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        waiting.delete(end);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end);
      waiting.add(end);
    });
}

export interface Bench {
  readonly log: EventLog;
  readonly clock: TestClock;
  readonly handlers: ReturnType<typeof reservationsHandlers>;
  /** Time passes and due deadlines fire. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** The reservations domain over an empty database of the driver. */
export async function openReservations(
  driver: Driver,
  settings: LeaseSettings = DEFAULT_LEASE_SETTINGS,
): Promise<Bench> {
  const opened = await driver.open();
  const { db, clock } = opened;
  await migrate(db);
  const log = openLog({
    db,
    projections: [reservationsProjection],
    deadlines: reservationsDeadlines({ dialect: db.dialect, settings }),
  });
  return {
    log,
    clock,
    handlers: reservationsHandlers({ log, settings, agents, wait: waitOn(log) }),
    pass: async (ms) => {
      clock.advance(ms);
      await log.deadlines.fireDue();
    },
    close: () => opened.close(),
  };
}

/** Gives each test of the surrounding `describe` an empty database, and checks after it that a replay gives the same state. */
export function useReservations(driver: Driver): () => Bench {
  let bench: Bench;
  beforeEach(async () => {
    bench = await openReservations(driver);
  });
  afterEach(async () => {
    await expectReplayed(driver, bench.log.db, [reservationsProjection]);
    await bench.close();
  });
  return () => bench;
}

export const files = (...patterns: string[]) =>
  patterns.map((pattern) => ({ kind: "file" as const, repo: "app", pattern }));

const HOUR = 3_600_000;
const params = { project: PROJECT };

/** The calls that tests make most, by the agent's name. */
export function callsOf(bench: () => Bench) {
  const order = (patterns: string[], extra: object = {}) => ({
    resources: files(...patterns),
    mode: "exclusive" as const,
    ttlMs: HOUR,
    ...extra,
  });
  const acquire = (name: string, patterns: string[], extra: object = {}) =>
    bench().handlers.acquire({
      params,
      body: { ...order(patterns, extra), partial: false, ...extra },
      ...as(name),
    });
  const slot = (name: string) =>
    bench().handlers.acquire({
      params,
      body: { ...order([]), resources: [{ kind: "slot", name: "build" }], partial: false },
      ...as(name),
    });
  const queue = (name: string, patterns: string[], extra: object = {}) =>
    bench().handlers.enqueue({
      params,
      body: { ...order(patterns, extra), waitMs: 600_000, ...extra },
      ...as(name),
    });
  const look = (name: string, ticket: string, ms = 0) =>
    bench().handlers.awaitTicket({ params: { ...params, ticket }, body: { ms }, ...as(name) });
  const at = (lease: string) => ({ params: { ...params, lease: lease as never } });
  const release = (name: string, lease: string) =>
    bench().handlers.release({ ...at(lease), ...as(name) });
  const show = (lease: string) => bench().handlers.lease({ ...at(lease), ...as("x") });
  return { order, acquire, slot, queue, look, at, release, show };
}
