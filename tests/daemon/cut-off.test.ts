import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bootClock } from "../../daemon/boot-clock.ts";
import type { RunningDaemon } from "../../daemon/main.ts";
import { eventually } from "../support/eventually.ts";
import { makeGate } from "../support/gate.ts";
import { countOf, ownSleep } from "../support/processes.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";

const params = { project: "default" };

describe.runIf(process.platform === "linux")("a daemon that is cut off from the server", () => {
  let server: TestServer;
  let proxy: Proxy;
  let node: TestNode;
  let daemon: RunningDaemon;
  /** How far the daemon's clock has come; it moves with this alone. */
  let skipped = 0;

  beforeEach(async () => {
    skipped = 0;
    server = await startTestServer();
    proxy = await startProxy(server.url);
    node = await makeNode(server, "n1", { allowProcess: true, url: proxy.url });
    const start = bootClock.monotonic();
    daemon = await node.start({ now: () => Date.now(), monotonic: () => start + skipped });
  });
  afterEach(async () => {
    await daemon.stop();
    await proxy.close();
    await node.remove();
    await server.stop();
  });

  const runOf = async ({ sweep }: Awaited<ReturnType<typeof submit>>) => {
    const { cells } = server.admin.client;
    const { runs } = await cells.runs({ params: { ...params, sweep } });
    return cells.run({ params: { ...params, run: runs[0]?.id ?? "" } });
  };
  const running = (sweep: Awaited<ReturnType<typeof submit>>) =>
    eventually(async () => ((await runOf(sweep)).state === "running" ? true : undefined));
  const begun = async (sweep: Awaited<ReturnType<typeof submit>>, command: string) => {
    await running(sweep);
    await eventually(async () => ((await countOf(command)) === 1 ? true : undefined));
  };
  const ended = (command: string) =>
    eventually(async () => ((await countOf(command)) === 0 ? true : undefined));

  it("goes on with what runs and delivers its result when the line is back", async () => {
    const gate = await makeGate();
    const sweep = await submit(server, sweepOf(`${gate.wait}; echo performance: 5 x`));
    await running(sweep);
    proxy.cut();
    await gate.end();
    await pause(2_000);
    expect((await runOf(sweep)).state).toBe("running");
    proxy.heal();
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    expect(runs[0]?.attempts).toHaveLength(1);
  });

  it("stops what runs by its own time although the server still hears it, and stays the run's only node", async () => {
    const command = ownSleep();
    const sweep = await submit(server, sweepOf(command, { lostAfter: "10m" }));
    await begun(sweep, command);
    proxy.mute();
    skipped = 531_000;
    await ended(command);
    // To the server it has beaten all the time: nothing was granted again.
    expect(await runOf(sweep)).toMatchObject({ state: "running", attempt: 1 });
    proxy.heal();
    const run = await eventually(async () => {
      const now = await runOf(sweep);
      return now.attempts[0]?.report ? now : undefined;
    });
    expect(run.attempts).toMatchObject([{ n: 1, report: { outcome: "invalid" } }]);
  });

  it("stops what runs before the server may grant it again, and says so afterwards", async () => {
    const command = ownSleep();
    const sweep = await submit(server, sweepOf(command, { lostAfter: "10m" }));
    await begun(sweep, command);
    proxy.cut();
    // 0.9 x 10 min, less the 10 s between signal and kill, counted from the last acknowledged beat, are 530 s.
    skipped = 529_000;
    await pause(2_000);
    expect(await countOf(command)).toBe(1);
    skipped = 531_000;
    await ended(command);
    proxy.heal();
    const run = await eventually(async () => {
      const now = await runOf(sweep);
      return now.attempts[0]?.report ? now : undefined;
    });
    expect(run.attempts[0]?.report).toMatchObject({
      outcome: "invalid",
      message: "repeat 1: cut off from the server for 531 s",
    });
  });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
