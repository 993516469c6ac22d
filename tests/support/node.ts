import { randomUUID } from "node:crypto";
import type { Client } from "../../contract/client.ts";
import type { Session } from "../../contract/cells.ts";
import type { Inventory } from "../../contract/inventory.ts";
import type { AttemptReport } from "../../contract/run.ts";

/** A node without GPUs that offers processes. */
export const plainInventory: Inventory = {
  version: "0.1.0",
  hostname: "test",
  os: "Debian 12",
  kernel: "6.1",
  cpu: { model: "test", count: 2, arch: "x64" },
  memoryBytes: 8 * 2 ** 30,
  gpus: [],
  simulated: false,
  labels: {},
  runtimes: ["process"],
  engine: null,
  slots: 4,
};

/** Registers a node as a daemon's first call does. */
export const registerNode = (client: Client): Promise<unknown> =>
  client.nodes.register({
    body: { inventory: plainInventory, installId: randomUUID(), bootId: randomUUID() },
  });

/** A report of one value of `performance`. */
export const okReport = (value: number): AttemptReport => ({
  outcome: "ok",
  message: null,
  runtime: "process",
  image: null,
  samples: [{ repeat: 1, metric: "performance", statistic: "value", value, unit: "GFLOP/s", n: 1 }],
  executions: [{ repeat: 1, exitCode: 0, durationMs: 5 }],
  evidence: [],
  environment: {},
});

/** Starts and completes every run of a session; answers the session that the last completion offered. */
export async function workOff(client: Client, session: Session): Promise<Session | null> {
  let next: Session | null = null;
  for (const run of session.runs) {
    const params = { attempt: run.attempt.id };
    await client.cells.start({ params, body: { runtime: "process", image: null } });
    const capacity = { slots: 1, runtimes: ["process" as const] };
    const done = await client.cells.complete({
      params,
      body: { report: okReport(run.attempt.n), next: capacity },
    });
    next = done.next;
  }
  return next;
}

/** Claims until nothing is left. */
export async function workAll(client: Client): Promise<number> {
  const body = { slots: 1, runtimes: ["process" as const] };
  let session = (await client.cells.claim({ body })).session;
  let runs = 0;
  while (session !== null) {
    runs += session.runs.length;
    session = (await workOff(client, session)) ?? (await client.cells.claim({ body })).session;
  }
  return runs;
}
