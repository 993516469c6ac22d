import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningDaemon } from "../../daemon/main.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";

describe.runIf(process.platform === "linux")("a daemon with simulated GPUs", () => {
  let server: TestServer;
  let node: TestNode;
  let daemon: RunningDaemon;

  beforeAll(async () => {
    server = await startTestServer();
    node = await makeNode(server, "g1", { allowProcess: true, simulateGpus: "later" });
    const gpus = ["sim-0", "sim-1"].map((uuid) => ({
      uuid,
      vendor: "nvidia",
      name: "H100",
      arch: "sm_90",
      memoryBytes: 80 * 2 ** 30,
    }));
    const file = join(node.data, "gpus.json");
    await writeFile(file, JSON.stringify(gpus));
    Object.assign(node.options, { simulateGpus: file });
    daemon = await node.start();
  });
  afterAll(async () => {
    await daemon.stop();
    await node.remove();
    await server.stop();
  });

  it("runs one session per GPU, none on a GPU that is taken, and marks every result", async () => {
    const sweep = await submit(
      server,
      sweepOf("sleep 0.3; echo performance: 1 x", {
        blocks: 4,
        requires: { gpus: 1, arch: "sm_90" },
      }),
    );
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 4 });
    const reports = runs.map(({ attempts }) => attempts[0]?.report);
    expect(reports.map((report) => report?.environment["simulated"])).toEqual(
      Array.from({ length: 4 }, () => "true"),
    );
    const used = new Set(reports.map((report) => report?.environment["gpus"]));
    expect(used).toEqual(new Set(["H100 sim-0", "H100 sim-1"]));
    const { nodes } = await server.admin.client.nodes.nodes({});
    expect(nodes).toMatchObject([{ simulated: true, running: 0 }]);
  });
});
