import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { cellsDeadlines } from "../cells/deadlines.ts";
import { cellsHandlers } from "../cells/handlers.ts";
import { nodesHandlers } from "../cells/node-handlers.ts";
import { DEFAULT_CELLS_SETTINGS } from "../cells/ports.ts";
import { cellsProjection } from "../cells/projection.ts";
import { SweepFile } from "../contract/cell/sweep-file.ts";
import type { CallContext, Principal } from "../contract/handlers.ts";
import type { Inventory } from "../contract/inventory.ts";
import type { AttemptReport } from "../contract/run.ts";
import { refusePrivate } from "../mailbox/open-threads.ts";
import { reservationsDeadlines } from "../reservations/deadlines.ts";
import { leasePort } from "../reservations/lease-port.ts";
import { reservationsProjection } from "../reservations/projection.ts";
import { DEFAULT_LEASE_SETTINGS } from "../reservations/settings.ts";
import { openFsBlobs } from "../storage/blobs-fs.ts";
import type { Db } from "../storage/db.ts";
import { openLog } from "../storage/event-log.ts";

/** Cells, nodes and leases over a database, called as the server calls them, without HTTP. */
export interface CellsStore {
  readonly cells: ReturnType<typeof cellsHandlers>;
  readonly nodes: ReturnType<typeof nodesHandlers>;
}

export async function openCellsStore(db: Db, folder: string): Promise<CellsStore> {
  const settings = DEFAULT_CELLS_SETTINGS;
  const leaseContext = { dialect: db.dialect, settings: DEFAULT_LEASE_SETTINGS };
  const leases = leasePort(leaseContext);
  const log = openLog({
    db,
    projections: [reservationsProjection, cellsProjection],
    deadlines: {
      ...reservationsDeadlines(leaseContext),
      ...cellsDeadlines({ leases, settings }),
    },
  });
  const threads = { refusePrivate, begin: () => Promise.resolve() };
  const deps = { log, leases, threads, blobs: await openFsBlobs(join(folder, "blobs")), settings };
  return { cells: cellsHandlers(deps), nodes: nodesHandlers(deps) };
}

/** A caller without an idempotency key. */
export function as(kind: "user" | "node", name: string): CallContext {
  const id = `${kind}:${name}`;
  const principal: Principal = {
    id,
    kind,
    name,
    project: null,
    act: null,
    actor: id,
    scopes: new Set(),
  };
  return { principal, idempotency: null, signal: new AbortController().signal };
}

export const INVENTORY: Inventory = {
  version: "0.1.0",
  hostname: "bench",
  os: "linux",
  kernel: "6",
  cpu: { model: "cpu", count: 8, arch: "x64" },
  memoryBytes: 64e9,
  gpus: [],
  simulated: true,
  labels: {},
  runtimes: ["process"],
  engine: null,
  slots: 8,
};

export const INSTALL = "00000000-0000-4000-8000-000000000001";

/** Registers `n0`, `n1`, …, or from another number on. */
export async function registerNodes({ nodes }: CellsStore, count: number, from = 0): Promise<void> {
  const body = { inventory: INVENTORY, installId: INSTALL, bootId: "b" };
  for (let i = 0; i < count; i += 1) await nodes.register({ ...as("node", `n${from + i}`), body });
}

/** Queues so many runs, in sweeps of 5,000 cells with a command and variables of ordinary length. */
export async function queueRuns({ cells }: CellsStore, runs: number): Promise<void> {
  for (let left = runs; left > 0; left -= 5_000) {
    const sweep = SweepFile.parse({
      name: "bench",
      matrix: {
        axes: {
          n: Array.from({ length: 50 }, (_, i) => i),
          m: Array.from({ length: Math.ceil(Math.min(left, 5_000) / 50) }, (_, i) => i),
        },
      },
      cell: {
        command: [
          "node",
          "${files}/kernels.mjs",
          "--kernel",
          "triad",
          "--threads",
          "${n}",
          "--size",
          "${m}",
        ],
        env: { OMP_NUM_THREADS: "${n}" },
        runtime: "process",
      },
      metrics: { primary: "performance" },
    });
    await cells.submitSweep({
      ...as("user", "anna"),
      params: { project: "default" },
      body: { sweep, files: [] },
    });
  }
}

/** What a node sends for a success with so many samples. */
export const reportOf = (samples: number): AttemptReport => ({
  outcome: "ok",
  message: null,
  runtime: "process",
  image: null,
  samples: Array.from({ length: samples }, (_, i) => ({
    repeat: 1,
    metric: i === 0 ? "performance" : `metric_${i}`,
    statistic: "value",
    value: 1.5 + i,
    unit: "GB/s",
    n: 1,
  })),
  executions: [{ repeat: 1, exitCode: 0, durationMs: 1_234.5 }],
  evidence: [],
  environment: { cpu: "cpu", governor: "performance", node: "20" },
});

/** A folder for one bench, removed afterwards. */
export async function inFolder(
  root: string,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(root, "gridpost-bench-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
