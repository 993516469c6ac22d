import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { systemClock } from "../../runtime/clock.ts";
import { eventsAfter } from "../../storage/events.ts";
import type { LoggedEvent } from "../../storage/log.ts";
import { openSqlite } from "../../storage/sqlite.ts";
import { freePort } from "../support/cli.ts";
import { expectReplayEqual, joinAs } from "../support/server.ts";
import { spawnServer } from "../support/server-process.ts";
import { judge } from "./lease-history.ts";

const CLIENT = fileURLToPath(new URL("./lease-client.ts", import.meta.url));
const CLIENTS = 200;
const PROCESSES = 8;
const FIGHT_MS = 60_000;
const KILL_EVERY_MS = 6_000;
/** Twenty patterns, most of which meet some others. */
const PATTERNS = Array.from({ length: 5 }, (_, i) => `p${i}`).flatMap((dir) => [
  dir,
  `${dir}/a.ts`,
  `${dir}/*.ts`,
  `${dir}/lib/**`,
]);

interface Line {
  readonly what: "queued" | "granted" | "refused";
  readonly waitedMs?: number;
  readonly code?: string;
}

it("200 clients in 8 processes never hold the same at once, though they and the server are killed", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-fight-"));
  const flags = ["--listen", `127.0.0.1:${await freePort()}`];
  for (const set of ["minTtl=1s", "startFreeze=2s", "lockDelay=1s"])
    flags.push("--set", `leases.${set}`);
  let server = await spawnServer(data, ...flags);
  const { url } = server;
  const token = (await readFile(join(data, "admin.join"), "utf8")).trim();
  const admin = await joinAs({ url, clock: systemClock, token, name: "admin" });
  const clients: { name: string; token: string }[] = [];
  for (let n = 0; n < CLIENTS; n += 1) {
    await admin.asAgent(`c${n}`);
    clients.push({ name: `c${n}`, token: await admin.agentToken(`c${n}`) });
  }

  const untilMs = Date.now() + FIGHT_MS;
  const lines: Line[] = [];
  const start = (n: number): ChildProcess => {
    const child = fork(CLIENT, { execArgv: ["--import", "tsx"], silent: true });
    let rest = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) lines.push(JSON.parse(part) as Line);
    });
    const own = clients.filter((_, i) => i % PROCESSES === n);
    child.send({ url, patterns: PATTERNS, clients: own, untilMs });
    return child;
  };
  const children = Array.from({ length: PROCESSES }, (_, n) => start(n));
  let restarts = 0;
  for (let turn = 1; Date.now() < untilMs - KILL_EVERY_MS; turn += 1) {
    await sleep(KILL_EVERY_MS);
    const victim = Math.floor(Math.random() * PROCESSES);
    children[victim]?.kill("SIGKILL");
    children[victim] = start(victim);
    if (turn % 3 !== 0 || restarts === 2) continue;
    await server.end(restarts === 0 ? "SIGKILL" : "SIGTERM");
    server = await spawnServer(data, ...flags);
    restarts += 1;
  }
  await sleep(Math.max(0, untilMs - Date.now()) + 1_000);
  for (const child of children) child.kill("SIGKILL");
  expect(await server.end("SIGTERM")).toBe(0);

  const file = join(data, "gridpost.db");
  const { broken, expiries, queueGrants } = judge(await leaseEvents(file));
  expect(broken).toEqual([]);
  expect(expiries).toBeGreaterThanOrEqual(100);
  expect(queueGrants).toBeGreaterThanOrEqual(100);
  expect(restarts).toBe(2);
  // A wait of a minute would have ended in a conflict; nobody waited that long.
  expect(lines.filter(({ code }) => code === "RESERVATION_CONFLICT")).toEqual([]);
  await expectReplayEqual(file);
  await rm(data, { recursive: true });
});

async function leaseEvents(file: string): Promise<LoggedEvent[]> {
  const db = openSqlite({ file });
  const events: LoggedEvent[] = [];
  for (let seq = 0; ;) {
    const page = await eventsAfter(db.query, seq, 1_000);
    events.push(...page.filter(({ type }) => type.startsWith("lease.")));
    const last = page.at(-1);
    if (last === undefined) break;
    seq = last.seq;
  }
  await db.close();
  return events;
}
