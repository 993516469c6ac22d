import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { cellsDeadlines } from "../../cells/deadlines.ts";
import { cellsHandlers } from "../../cells/handlers.ts";
import { nodesHandlers } from "../../cells/node-handlers.ts";
import { DEFAULT_CELLS_SETTINGS } from "../../cells/ports.ts";
import { cellsProjection } from "../../cells/projection.ts";
import type { SweepSource } from "../../contract/cell/sweep-file.ts";
import { cells, type Session } from "../../contract/cells.ts";
import type { Endpoint, EndpointOutput, EndpointRequest } from "../../contract/endpoint.ts";
import type { CallContext, Principal } from "../../contract/handlers.ts";
import type { Gpu, Inventory } from "../../contract/inventory.ts";
import { nodes } from "../../contract/nodes.ts";
import type { AttemptReport } from "../../contract/run.ts";
import { reservationsDeadlines } from "../../reservations/deadlines.ts";
import { leasePort } from "../../reservations/lease-port.ts";
import { reservationsProjection } from "../../reservations/projection.ts";
import { DEFAULT_LEASE_SETTINGS } from "../../reservations/settings.ts";
import type { Blobs } from "../../storage/blobs.ts";
import { openFsBlobs } from "../../storage/blobs-fs.ts";
import type { Db } from "../../storage/db.ts";
import { type EventLog, openLog } from "../../storage/event-log.ts";
import { refusePrivate } from "../../mailbox/open-threads.ts";
import type { TestClock } from "./clock.ts";
import type { Driver, OpenedDb } from "./drivers.ts";
import { openMigrated } from "./log-bench.ts";
import { expectReplayed } from "./replayed.ts";

const work = { ...cells, ...nodes };
type Work = typeof work;
type Calls = {
  readonly [K in keyof Work]: (
    request?: Omit<EndpointRequest<Work[K]>, "params"> & {
      readonly params?: Record<string, string>;
    },
    options?: { readonly key?: string },
  ) => Promise<EndpointOutput<Work[K]>>;
};

/** A daemon as the server sees it. */
export interface FakeNode extends Calls {
  readonly name: string;
  /** One beat that names these sessions. */
  readonly live: (...sessions: Session[]) => ReturnType<Calls["beat"]>;
  /** One beat that names no session and these images. */
  readonly holds: (images: Record<string, string>) => ReturnType<Calls["beat"]>;
  /** Claims with room for one session without GPUs, unless more is offered. */
  readonly take: (capacity?: EndpointRequest<Work["claim"]>["body"]) => Promise<Session | null>;
  /** Reports the first run of a session as succeeded, unless the report says otherwise. */
  readonly finish: (
    session: Session,
    report?: Partial<AttemptReport>,
  ) => ReturnType<Calls["complete"]>;
}

/** Cells, nodes and leases over an open database, without a server. */
export interface Fleet {
  readonly log: EventLog;
  readonly db: Db;
  readonly clock: TestClock;
  readonly blobs: Blobs;
  /** A user who may submit sweeps, or an agent that works by hand. */
  readonly caller: (id: string) => Calls;
  /** Registers a node that offers one slot and every runtime, and beats once. */
  readonly node: (name: string, inventory?: Partial<Inventory>) => Promise<FakeNode>;
  /** A daemon that goes on as the node of that name. */
  readonly fake: (name: string) => FakeNode;
  /** Stops the server and starts it again on the same data. */
  readonly restart: () => Promise<Fleet>;
  /** Submits a sweep of one cell per value of `n` that any node can run. */
  readonly submit: (
    cellCount: number,
    more?: Partial<SweepSource>,
  ) => ReturnType<Calls["submitSweep"]>;
  /** Lets time pass and the deadlines fire that are due then. */
  readonly pass: (ms: number) => Promise<void>;
  /** How often each type of event was appended. */
  readonly counts: () => Promise<Record<string, number>>;
}

export const REPORT: AttemptReport = {
  outcome: "ok",
  message: null,
  runtime: "process",
  image: null,
  samples: [
    { repeat: 1, metric: "performance", statistic: "value", value: 1.5, unit: "GB/s", n: 1 },
  ],
  executions: [{ repeat: 1, exitCode: 0, durationMs: 10 }],
  evidence: [],
  environment: { cpu: "test" },
};

export const INVENTORY: Inventory = {
  version: "0.1.0",
  hostname: "h",
  os: "linux",
  kernel: "6",
  cpu: { model: "cpu", count: 4, arch: "x64" },
  memoryBytes: 8e9,
  gpus: [],
  simulated: false,
  labels: {},
  runtimes: ["docker", "process"],
  engine: null,
  slots: 1,
};

export const gpu = (uuid: string, more: Partial<Gpu> = {}): Gpu => ({
  uuid,
  vendor: "nvidia",
  name: "H100",
  arch: "sm_90",
  memoryBytes: 80e9,
  pci: null,
  driver: null,
  firmware: null,
  partition: null,
  numaNode: 0,
  ...more,
});

const projections = [reservationsProjection, cellsProjection];

/** Gives each test of the surrounding `describe` a new fleet, and checks after it that a replay gives the same state. */
export function useFleet(driver: Driver): () => Fleet {
  let opened: OpenedDb;
  let folder: string;
  let blobs: Blobs;
  beforeEach(async () => {
    opened = await openMigrated(driver);
    folder = await mkdtemp(join(tmpdir(), "gridpost-blobs-"));
    blobs = await openFsBlobs(folder);
  });
  afterEach(async () => {
    await expectReplayed(driver, await opened.reopen(opened.clock), projections);
    await opened.close();
    await rm(folder, { recursive: true });
  });
  return () => openFleet(opened, blobs);
}

function openFleet(
  { db, clock, reopen }: Pick<OpenedDb, "db" | "clock" | "reopen">,
  blobs: Blobs,
): Fleet {
  const settings = DEFAULT_CELLS_SETTINGS;
  const leaseContext = { dialect: db.dialect, settings: DEFAULT_LEASE_SETTINGS };
  const leases = leasePort(leaseContext);
  const deadlines = {
    ...reservationsDeadlines(leaseContext),
    ...cellsDeadlines({ leases, settings }),
  };
  const log = openLog({ db, projections, deadlines });
  const deps = {
    log,
    leases,
    threads: { refusePrivate, begin: () => Promise.resolve() },
    blobs,
    settings,
  };
  const handlers = { ...cellsHandlers(deps), ...nodesHandlers(deps) };
  const caller = (id: string): Calls => callsOf(handlers, principalOf(id));
  const fake = (name: string): FakeNode => fakeNode(name, caller(`node:${name}`));
  return {
    log,
    db,
    clock,
    blobs,
    caller,
    fake,
    restart: async () => openFleet({ db: await reopen(clock), clock, reopen }, blobs),
    node: async (name, inventory = {}) => {
      const node = fake(name);
      const registration = { inventory: { ...INVENTORY, ...inventory }, ...installOf(name) };
      await node.register({ body: registration });
      await node.live();
      return node;
    },
    submit: (cellCount, more = {}) =>
      caller("user:anna").submitSweep({ body: { sweep: sweepOf(cellCount, more) } }),
    pass: async (ms) => {
      clock.advance(ms);
      while ((await log.deadlines.fireDue()) > 0);
    },
    counts: async () => {
      const rows = await db.query<{ type: string; n: number }>(
        "select type, count(*) as n from events group by type order by type",
      );
      return Object.fromEntries(rows.map(({ type, n }) => [type, n]));
    },
  };
}

export const sweepOf = (cellCount: number, more: Partial<SweepSource> = {}): SweepSource => ({
  name: "sweep",
  matrix: { axes: { n: Array.from({ length: cellCount }, (_, i) => i) } },
  cell: { command: ["true"], runtime: "process" },
  metrics: { primary: "performance" },
  ...more,
});

/** The same for the same name, so that a test can play a second daemon. */
export const installOf = (name: string): { installId: string; bootId: string } => ({
  installId: `00000000-0000-4000-8000-${Buffer.from(name).toString("hex").padStart(12, "0").slice(-12)}`,
  bootId: "boot-1",
});

function fakeNode(name: string, calls: Calls): FakeNode {
  return {
    ...calls,
    name,
    live: (...sessions) =>
      calls.beat({
        body: {
          installId: installOf(name).installId,
          ready: true,
          sessions: sessions.map(({ id }) => id),
        },
      }),
    holds: (images) =>
      calls.beat({
        body: { installId: installOf(name).installId, ready: true, sessions: [], images },
      }),
    take: async (capacity = { slots: 1, runtimes: ["process", "docker"] }) =>
      (await calls.claim({ body: capacity })).session,
    finish: (session, report = {}) =>
      calls.complete({
        params: { attempt: session.runs[0]?.attempt.id ?? "" },
        body: { report: { ...REPORT, ...report } },
      }),
  };
}

/** A session that must have been granted. */
export function must(session: Session | null): Session {
  if (session === null) throw new Error("nothing was granted");
  return session;
}

const principalOf = (id: string): Principal => {
  const [kind, path] = id.split(":") as [Principal["kind"], string];
  const name = path.split("/").at(-1) ?? "";
  const project = kind === "agent" ? (path.split("/")[0] ?? null) : null;
  return { id, kind, name, project, act: null, actor: id, scopes: new Set() };
};

function callsOf(handlers: object, principal: Principal): Calls {
  const call =
    (name: keyof Work) =>
    async (request: Record<string, unknown> = {}, options: { key?: string } = {}) => {
      const endpoint: Endpoint = work[name];
      const parts = {
        params: endpoint.params?.parse({ project: "default", ...(request["params"] as object) }),
        query: endpoint.query?.parse(request["query"] ?? {}),
        body: endpoint.body?.parse(request["body"] ?? {}),
      };
      const context: CallContext = {
        principal,
        idempotency:
          options.key === undefined
            ? null
            : { key: options.key, endpoint: name, hash: JSON.stringify(parts) },
        signal: new AbortController().signal,
      };
      const handler = (handlers as Record<string, (input: unknown) => Promise<unknown>>)[name];
      const reply = await handler?.({ ...parts, ...context });
      return endpoint.response.parse(JSON.parse(JSON.stringify(reply)));
    };
  const names = Object.keys(work) as (keyof Work)[];
  return Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as Calls;
}
