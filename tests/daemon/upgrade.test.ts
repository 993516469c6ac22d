import { mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bootClock } from "../../daemon/boot-clock.ts";
import { executionName } from "../../daemon/launcher.ts";
import { Spool } from "../../daemon/spool.ts";
import { makeWorkRoots, processesIn } from "../../daemon/attempt-folder.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { eventually } from "../support/eventually.ts";
import { makeGate } from "../support/gate.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { evidence, finished, makeNode, submit, sweepOf } from "./support.ts";

const params = { project: "default" };

describe.runIf(process.platform === "linux")("a daemon after a reboot", () => {
  it("delivers the result of what had ended long before it, whatever the clock of that boot said", async () => {
    const server = await startTestServer();
    const node = await makeNode(server, "n1", { allowProcess: true });
    const before = await node.start();
    const gate = await makeGate();
    const script = `echo begin; ${gate.wait}; echo performance: 5 x`;
    const sweep = await submit(server, sweepOf(script));
    const attempt = await begun(server, sweep.sweep);
    await before.stop();
    await gate.open();
    await endedBeforeBoot(node.data, attempt);
    const after = await node.start();
    const { runs } = await finished(server, sweep);
    expect(runs[0]).toMatchObject({ state: "succeeded", outcome: "ok", message: null });
    expect(runs[0]?.attempts[0]?.report?.executions).toMatchObject([{ durationMs: 2_000 }]);
    await after.stop();
    await node.remove();
    await server.stop();
  });

  it("calls what ran the machine's failure, whatever is left of it", async () => {
    const server = await startTestServer();
    const node = await makeNode(server, "n1", { allowProcess: true });
    const before = await node.start();
    const gate = await makeGate();
    const sweep = await submit(server, sweepOf(`echo begin; ${gate.wait}; exit 1`));
    const attempt = await begun(server, sweep.sweep);
    await before.stop();
    const db = openLocalFile(join(node.data, "spool.db"));
    const spool = new Spool(db);
    spool.setMeta("boot", "another");
    // It ends meanwhile, as a container that its engine finds dead after a boot has some exit code.
    await gate.open();
    await ended(node.data, spool, attempt);
    db.close();
    const after = await node.start();
    const { runs } = await finished(server, sweep);
    expect(runs[0]).toMatchObject({
      state: "invalid",
      outcome: "invalid",
      message: "repeat 1: the machine was restarted while it ran",
    });
    await after.stop();
    await node.remove();
    await server.stop();
  });
});

/** Makes an execution one that began and ended an hour before this machine was booted. */
async function endedBeforeBoot(data: string, attempt: string): Promise<void> {
  const db = openLocalFile(join(data, "spool.db"));
  const spool = new Spool(db);
  spool.setMeta("boot", "another");
  db.run("update executions set started_at = $1", [-1e12]);
  const folder = await ended(data, spool, attempt);
  db.close();
  const end = (Date.now() - bootClock.monotonic()) / 1_000 - 3_600;
  await utimes(join(folder, "started"), end - 2, end - 2);
  await utimes(join(folder, "exit"), end, end);
}

/** Waits for the end of a process; answers the folder of its execution. */
async function ended(data: string, { installId }: Spool, attempt: string): Promise<string> {
  const roots = await makeWorkRoots(data, installId);
  const folder = join(processesIn(roots), executionName(attempt, 1));
  await eventually(
    async () => (await readFile(join(folder, "exit"), "utf8").catch(() => "")) || undefined,
  );
  return folder;
}

describe.runIf(process.platform === "linux")("a newer daemon", () => {
  it("goes on with what the version before it started, however that described it", async () => {
    const server = await startTestServer();
    const node = await makeNode(server, "n1", { allowProcess: true });
    const gate = await makeGate();
    const script = `echo run >> \${out}/count; echo begin; ${gate.wait}; echo performance: 7 x`;
    const sweep = await submit(server, sweepOf(script));
    const older = await node.start();
    const attempt = await begun(server, sweep.sweep);
    await older.stop();
    await describeAsBefore(node.data, attempt);
    const newer = await node.start();
    await gate.open();
    const { view, runs: ended } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    const files = ended[0]?.attempts[0]?.report?.evidence ?? [];
    const count = files.find(({ name }) => name === "repeat-1/count")?.sha256;
    expect(await evidence(server, count)).toBe("run\n");
    await newer.stop();
    await node.remove();
    await server.stop();
  });

  it("reads the spool of the first version, and no spool of a version that it does not know", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-spool-"));
    const file = join(folder, "spool.db");
    const first = openLocalFile(file);
    first.run(`
      create table meta (key text primary key, value text not null);
      create table sessions (id text primary key, session text not null);
      create table attempts (
        id text primary key, session text not null, position integer not null, run text not null,
        plan text, stop text, report text, offer text
      );
      create table executions (
        attempt text not null, n integer not null, state text not null,
        container text, started_at real, ended text, primary key (attempt, n)
      );
      create table gpu_locks (uuid text primary key, session text not null);
      insert into meta values ('version', '1'), ('install', 'i');
      insert into executions (attempt, n, state) values ('a', 1, 'created');
    `);
    first.close();
    const spool = new Spool(openLocalFile(file));
    expect(spool.installId).toBe("i");
    expect(spool.executions("a")).toMatchObject([{ n: 1, state: "created", spec: null }]);
    spool.setMeta("version", "99");
    spool.close();
    const db = openLocalFile(file);
    expect(() => new Spool(db)).toThrow("version 99");
    db.close();
    await rm(folder, { recursive: true });
  });
});

/** Waits until the sweep's first run has printed that it begins; answers its attempt. */
async function begun(server: TestServer, sweep: string): Promise<string> {
  const { cells } = server.admin.client;
  const { runs } = await cells.runs({ params: { ...params, sweep } });
  const run = { params: { ...params, run: runs[0]?.id ?? "" } };
  return eventually(async () => {
    const { text } = await cells.runLogs(run);
    return text.includes("begin") ? ((await cells.run(run)).attemptId ?? undefined) : undefined;
  });
}

/** Makes row and label what a version with another description of a launch would have left. */
async function describeAsBefore(data: string, attempt: string): Promise<void> {
  const db = openLocalFile(join(data, "spool.db"));
  const { installId } = new Spool(db);
  db.run("update executions set spec = 'as before' where attempt = $1", [attempt]);
  db.close();
  const roots = await makeWorkRoots(data, installId);
  const record = join(processesIn(roots), executionName(attempt, 1), "spec.json");
  const told = JSON.parse(await readFile(record, "utf8")) as object;
  await writeFile(record, JSON.stringify({ ...told, spec: "as before" }));
}
