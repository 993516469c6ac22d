import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bootClock } from "../../daemon/boot-clock.ts";
import type { RunningDaemon } from "../../daemon/main.ts";
import { eventually } from "../support/eventually.ts";
import { type Gate, makeGate } from "../support/gate.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import {
  type DaemonProcess,
  finished,
  killDaemons,
  makeNode,
  spawnDaemon,
  submit,
  sweepOf,
  type TestNode,
} from "./support.ts";

const params = { project: "default" };
const MINUTE = 60_000;

interface Started {
  readonly sweep: Awaited<ReturnType<typeof submit>>;
  readonly gate: Gate;
}

describe.runIf(process.platform === "linux")("a node that is away while its run goes on", () => {
  let server: TestServer;
  let proxy: Proxy;
  let n1: TestNode;
  let n2: TestNode;
  let second: RunningDaemon | undefined;
  /** How far the server's time, and that of whoever it is told to, is ahead. */
  let ahead = 0;

  beforeEach(async () => {
    ahead = 0;
    second = undefined;
    server = await startTestServer({
      clock: { now: () => Date.now(), monotonic: () => performance.now() + ahead },
    });
    proxy = await startProxy(server.url);
    n1 = await makeNode(server, "n1", { allowProcess: true, url: proxy.url });
    n2 = await makeNode(server, "n2", { allowProcess: true });
    // It joins now: later the server's time will not fit the time of its signature.
    await (await n2.start()).stop();
  });
  afterEach(async () => {
    await second?.stop();
    killDaemons();
    await proxy.close();
    await n1.remove();
    await n2.remove();
    await server.stop();
  });

  /** A run that has begun, and ends when the gate is open. */
  async function started(): Promise<Started> {
    const gate = await makeGate();
    const script = `echo begin; ${gate.wait}; echo performance: 5 x`;
    const sweep = await submit(server, sweepOf(script, { lostAfter: "5m" }));
    await eventually(async () => (await logOf(sweep.sweep)).includes("begin") || undefined);
    return { sweep, gate };
  }

  async function logOf(sweep: string): Promise<string> {
    const { cells } = server.admin.client;
    const { runs } = await cells.runs({ params: { ...params, sweep } });
    return (await cells.runLogs({ params: { ...params, run: runs[0]?.id ?? "" } })).text;
  }

  /** Lets the server give the run up, and another node measure it. */
  async function replace(sweep: Awaited<ReturnType<typeof submit>>): Promise<void> {
    ahead = 5 * MINUTE + 5_000;
    second = await n2.start({
      now: () => Date.now() + ahead,
      monotonic: () => bootClock.monotonic(),
    });
    await eventually(async () => {
      const { nodes } = await server.admin.client.nodes.nodes({});
      return nodes.some(({ name, state }) => name === "n2" && state === "ready") ? true : undefined;
    });
    await server.fireDeadlines();
    expect((await finished(server, sweep)).view.states).toEqual({ succeeded: 1 });
  }

  /** The late result is kept with its attempt, and is nowhere in the ledger. */
  async function expectSuperseded(sweep: Awaited<ReturnType<typeof submit>>): Promise<void> {
    const attempts = await eventually(async () => {
      const { runs } = await finished(server, sweep);
      return runs[0]?.attempts[0]?.state === "superseded" ? runs[0].attempts : undefined;
    });
    expect(attempts).toMatchObject([
      { n: 1, holder: "node:n1", state: "superseded", report: { outcome: "ok" } },
      { n: 2, holder: "node:n2", state: "finished", report: { outcome: "ok" } },
    ]);
    const of = { params: { ...params, sweep: sweep.sweep } };
    const { report } = await server.admin.client.reports.report(of);
    expect(report?.cells[0]).toMatchObject({ nodes: ["n2"], summaries: [{ n: 1, median: 5 }] });
  }

  it("beyond lostAfter is replaced, and its result counts no more when the line is back", async () => {
    const first = await n1.start();
    const { sweep, gate } = await started();
    proxy.cut();
    await gate.open();
    await replace(sweep);
    proxy.heal();
    await expectSuperseded(sweep);
    await first.stop();
  });

  it("stopped in front of its result, beyond lostAfter: the fence keeps the result out", async () => {
    const first = await frozen();
    await replace(first.sweep);
    process.kill(first.daemon.pid, "SIGCONT");
    await expectSuperseded(first.sweep);
    await first.daemon.end("SIGTERM");
  });

  it("stopped in front of its result, beyond its lease only: the result counts", async () => {
    const { daemon, sweep } = await frozen();
    ahead = 3 * MINUTE;
    await server.fireDeadlines();
    process.kill(daemon.pid, "SIGCONT");
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    expect(runs[0]?.attempts).toMatchObject([{ n: 1, state: "finished" }]);
    await daemon.end("SIGTERM");
  });

  /** A daemon that is stopped by SIGSTOP while its run goes on and ends. */
  async function frozen(): Promise<{
    daemon: DaemonProcess;
    sweep: Awaited<ReturnType<typeof submit>>;
  }> {
    const daemon = spawnDaemon(n1);
    const { sweep, gate } = await started();
    process.kill(daemon.pid, "SIGSTOP");
    await gate.end();
    return { daemon, sweep };
  }
});
