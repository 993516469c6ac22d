import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bootClock } from "../../daemon/boot-clock.ts";
import type { RunningDaemon } from "../../daemon/main.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { eventually, finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";

const params = { project: "default" };

describe.runIf(process.platform === "linux")("a daemon that is cut off from the server", () => {
  let server: TestServer;
  let proxy: Proxy;
  let node: TestNode;
  let daemon: RunningDaemon;
  /** Added to the daemon's clock. */
  let skipped = 0;

  beforeEach(async () => {
    skipped = 0;
    server = await startTestServer();
    proxy = await startProxy(server.url);
    node = await makeNode(server, "n1", { allowProcess: true, url: proxy.url });
    daemon = await node.start({
      now: () => Date.now(),
      monotonic: () => bootClock.monotonic() + skipped,
    });
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

  it("goes on with what runs and delivers its result when the line is back", async () => {
    const sweep = await submit(server, sweepOf("sleep 1; echo performance: 5 x"));
    await running(sweep);
    proxy.cut();
    await pause(3_000);
    expect((await runOf(sweep)).state).toBe("running");
    proxy.heal();
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    expect(runs[0]?.attempts).toHaveLength(1);
  }, 120_000);

  it("stops what runs by its own time although the server still hears it, and stays the run's only node", async () => {
    const sweep = await submit(server, sweepOf("sleep 27182", { lostAfter: "10m" }));
    await running(sweep);
    proxy.mute();
    skipped = 531_000;
    await eventually(async () => ((await lives("sleep 27182")) ? undefined : true));
    // To the server it has beaten all the time: nothing was granted again.
    expect(await runOf(sweep)).toMatchObject({ state: "running", attempt: 1 });
    proxy.heal();
    const run = await eventually(async () => {
      const now = await runOf(sweep);
      return now.attempts[0]?.report ? now : undefined;
    }, 40_000);
    expect(run.attempts).toMatchObject([{ n: 1, report: { outcome: "invalid" } }]);
  }, 120_000);

  it("stops what runs before the server may grant it again, and says so afterwards", async () => {
    const sweep = await submit(server, sweepOf("sleep 31415", { lostAfter: "10m" }));
    await running(sweep);
    proxy.cut();
    // 0.9 x 10 min, less the 10 s between signal and kill, counted from the last acknowledged beat, are 530 s.
    skipped = 515_000;
    await pause(2_000);
    expect(await lives("sleep 31415")).toBe(true);
    skipped = 531_000;
    await eventually(async () => ((await lives("sleep 31415")) ? undefined : true));
    proxy.heal();
    const run = await eventually(async () => {
      const now = await runOf(sweep);
      return now.attempts[0]?.report ? now : undefined;
    });
    expect(run.attempts[0]?.report).toMatchObject({
      outcome: "invalid",
      message: expect.stringMatching(/cut off from the server for 53\d s/),
    });
  });
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** True while a process has exactly this command line. */
async function lives(command: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "stat,args"]);
  return stdout.split("\n").some((line) => !line.startsWith("Z") && line.endsWith(` ${command}`));
}
