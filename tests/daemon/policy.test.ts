import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunningDaemon, startDaemon } from "../../daemon/main.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { eventually } from "../support/eventually.ts";
import { makeGate } from "../support/gate.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { makeNode, submit, sweepOf, type TestNode } from "./support.ts";

const params = { project: "default" };

describe.runIf(process.platform === "linux")("a policy that no longer allows processes", () => {
  let server: TestServer;
  let node: TestNode;
  let daemon: RunningDaemon;

  beforeEach(async () => {
    server = await startTestServer();
    node = await makeNode(server, "n1", { allowProcess: true });
    daemon = await node.start();
  });
  afterEach(async () => {
    await daemon.stop();
    await node.remove();
    await server.stop();
  });

  /** Starts a sweep and, while its first repeat runs, the daemon anew under the other policy. */
  async function changedDuring(repeats: number) {
    const gate = await makeGate();
    const script = `echo begin; ${gate.wait}; echo performance: 5 x`;
    const { sweep } = await submit(server, sweepOf(script, { repeats }));
    const { cells } = server.admin.client;
    const runOf = async () => {
      const { runs } = await cells.runs({ params: { ...params, sweep } });
      return cells.run({ params: { ...params, run: runs[0]?.id ?? "" } });
    };
    await eventually(async () => {
      const { text } = await cells.runLogs({ params: { ...params, run: (await runOf()).id } });
      return text.includes("begin") || undefined;
    });
    await daemon.stop();
    daemon = await startDaemon(
      { ...node.options, allowProcess: false },
      { openSpool: openLocalFile, log: pino({ level: "silent" }) },
    );
    await gate.open();
    return eventually(async () => {
      const run = await runOf();
      return run.attempts[0]?.report ? run : undefined;
    });
  }

  it("lets what runs come to its end", async () => {
    expect(await changedDuring(1)).toMatchObject({ state: "succeeded", message: null });
  });

  it("lets nothing more begin, and the node go on", async () => {
    const { attempts } = await changedDuring(2);
    const message = "this node's policy does not allow the process runtime";
    expect(attempts).toMatchObject([{ report: { outcome: "setup_failed", message } }]);
    const { running } = await server.admin.client.nodes.node({ params: { node: "n1" } });
    expect(running).toBe(0);
  });
});
