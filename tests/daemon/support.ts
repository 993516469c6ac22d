import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { z } from "zod";
import { SweepFile } from "../../contract/cell/sweep-file.ts";
import type { SweepView } from "../../contract/cells.ts";
import { DaemonOptions, type RunningDaemon, startDaemon } from "../../daemon/main.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import type { TestServer } from "../support/server.ts";

const sh = (script: string): string[] => ["sh", "-c", script];

/** A daemon's folder and the flags to start it with, again and again. */
export interface TestNode {
  readonly data: string;
  readonly options: DaemonOptions;
  start(): Promise<RunningDaemon>;
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
    start: () => startDaemon(options, { openSpool: openLocalFile, log }),
    remove: () => rm(data, { recursive: true, force: true }),
  };
}

/** A sweep of one cell that runs a shell script. */
export function sweepOf(
  script: string,
  more: { cell?: object } & Partial<z.input<typeof SweepFile>> = {},
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
