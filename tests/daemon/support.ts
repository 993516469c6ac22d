import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import type { z } from "zod";
import type { SweepFile } from "../../contract/cell/sweep-file.ts";
import { Session, type SweepView } from "../../contract/cells.ts";
import { newId } from "../../contract/ids.ts";
import { DaemonOptions, type RunningDaemon, startDaemon } from "../../daemon/main.ts";
import type { Clock } from "../../runtime/clock.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import type { TestServer } from "../support/server.ts";

const sh = (script: string): string[] => ["sh", "-c", script];

/** A daemon's folder and the flags to start it with, again and again. */
export interface TestNode {
  readonly data: string;
  readonly options: DaemonOptions;
  start(clock?: Clock): Promise<RunningDaemon>;
  remove(): Promise<void>;
}

/** A node that has not joined yet, with a token to do so. */
export async function makeNode(
  server: TestServer,
  name: string,
  more: Partial<z.input<typeof DaemonOptions>> = {},
): Promise<TestNode> {
  const data = await mkdtemp(join(tmpdir(), "gridpost-node-"));
  const { token } = await server.admin.client.identity.createToken({
    body: { kind: "node", name },
  });
  const tokenFile = join(data, "join-token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  const options = DaemonOptions.parse({ url: server.url, tokenFile, name, data, ...more });
  const log = pino({ level: process.env["TEST_LOG"] ?? "silent" });
  return {
    data,
    options,
    start: (clock) =>
      startDaemon(options, { openSpool: openLocalFile, log, ...(clock ? { clock } : {}) }),
    remove: () => rm(data, { recursive: true, force: true }),
  };
}

/** A sweep of one cell that runs a shell script. */
export function sweepOf(
  script: string,
  more: { cell?: object } & Omit<Partial<z.input<typeof SweepFile>>, "cell"> = {},
): z.input<typeof SweepFile> {
  const { cell, ...rest } = more;
  return {
    name: "trial",
    metrics: { primary: "speed" },
    ...rest,
    cell: {
      command: sh(script),
      runtime: "process",
      parser: { kind: "performance", metric: "speed" },
      ...cell,
    },
  };
}

/** A daemon in a process of its own, to be killed. */
export interface DaemonProcess {
  readonly pid: number;
  /** Until a line of its log has this message. */
  said(message: string): Promise<void>;
  /** Sends a signal and waits for the end; answers how long that took in milliseconds. */
  end(signal: NodeJS.Signals): Promise<number>;
  readonly ended: Promise<void>;
}

const children = new Set<ChildProcess>();

/** Ends every daemon process that a failed test has left. */
export function killDaemons(): void {
  for (const child of children) child.kill("SIGKILL");
}

const childScript = fileURLToPath(new URL("daemon-child.ts", import.meta.url));

/**
 * Starts a node's daemon as a process.
 * @param crashAt kills itself with SIGKILL `before` or `after` the first spool statement that matches
 */
export function spawnDaemon(
  { options }: TestNode,
  crashAt?: { readonly when: "before" | "after"; readonly statement: string },
): DaemonProcess {
  const args = [JSON.stringify(options), JSON.stringify(crashAt ?? null)];
  const child = spawn(process.execPath, ["--import", "tsx", childScript, ...args], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  children.add(child);
  let log = "";
  const wakes = new Set<() => void>();
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
    if (process.env["TEST_LOG"]) process.stderr.write(chunk);
    for (const wake of wakes) wake();
  });
  const ended = new Promise<void>((resolve) => {
    child.on("exit", () => {
      children.delete(child);
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    said: async (message) => {
      while (!log.includes(`"msg":"${message}"`)) {
        if (child.exitCode !== null) throw new Error(`the daemon ended: ${log}`);
        await new Promise<void>((resolve) => {
          wakes.add(resolve);
          child.once("exit", () => resolve());
        });
      }
    },
    end: async (signal) => {
      const from = performance.now();
      child.kill(signal);
      await ended;
      return performance.now() - from;
    },
  };
}

const params = { project: "default" };

export async function submit(
  { admin: { client } }: TestServer,
  sweep: z.input<typeof SweepFile>,
  files: { path: string; content: string }[] = [],
) {
  return client.cells.submitSweep({ params, body: { sweep, files } });
}

/** Waits for the end of a sweep and gives its runs with their attempts. */
export async function finished(
  { admin: { client } }: TestServer,
  { sweep }: Pick<z.output<typeof SweepView>, "sweep">,
  wait = 60_000,
) {
  const of = { ...params, sweep };
  const view = await client.cells.sweep(
    { params: of, query: { wait } },
    { timeoutMs: wait + 5_000 },
  );
  const { runs } = await client.cells.runs({ params: of });
  const details = await Promise.all(
    runs.map(({ id }) => client.cells.run({ params: { ...params, run: id } })),
  );
  return { view, runs: details };
}

/** The text of a file of an attempt's evidence, as the server stores it. */
export async function evidence(server: TestServer, sha256: string | undefined): Promise<string> {
  const hash = sha256 ?? "";
  return readFile(join(server.data, "blobs", hash.slice(0, 2), hash.slice(2, 4), hash), "utf8");
}

/** A session of one run, as a claim grants it. */
export function grantedSession(gpus: string[]): Session {
  return Session.parse({
    id: newId(),
    gpus,
    lease: { id: newId(), fence: 1, ttlMs: 1 },
    runs: [
      {
        project: "default",
        sweep: newId(),
        sweepName: "s",
        thread: "t",
        block: 1,
        attempt: { id: newId(), run: newId(), n: 1 },
        cell: {
          id: "0".repeat(64),
          image: null,
          command: ["true"],
          env: {},
          files: [],
          mounts: [],
          runtime: "process",
          resources: { memory: null, cpus: null, shm: null, pids: null },
          gpus: 0,
          vendor: null,
          arch: null,
          memory: null,
          models: [],
          parser: { kind: "performance" },
          axes: {},
        },
        image: null,
        repeats: 1,
        warmup: 0,
        phases: { setup: { timeout: 1 }, run: { timeout: 1 }, stop: { timeout: 1 } },
        lostAfterMs: 1,
      },
    ],
  });
}
