import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningDaemon } from "../../daemon/main.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";

describe.runIf(process.platform === "linux")("a daemon with the process runtime", () => {
  let server: TestServer;
  let node: TestNode;
  let daemon: RunningDaemon;

  beforeAll(async () => {
    server = await startTestServer();
    node = await makeNode(server, "n1", { allowProcess: true });
    daemon = await node.start();
  });
  afterAll(async () => {
    await daemon.stop();
    await node.remove();
    await server.stop();
  });

  it("runs warm-ups and repeats in order and delivers one result with its evidence", async () => {
    const sweep = await submit(
      server,
      sweepOf("cat ${files}/say.txt; echo performance: 12.5 GB/s; echo x > ${out}/table", {
        repeats: 2,
        warmup: 1,
        cell: { files: ["say.txt"] },
      }),
      [{ path: "say.txt", content: Buffer.from("hello\n").toString("base64") }],
    );
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    const report = runs[0]?.attempts[0]?.report;
    expect(report).toMatchObject({ outcome: "ok", runtime: "process", image: null });
    expect(report?.executions.map(({ repeat, exitCode }) => [repeat, exitCode])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(report?.samples.map(({ repeat, value, unit }) => [repeat, value, unit])).toEqual([
      [1, 12.5, "GB/s"],
      [2, 12.5, "GB/s"],
    ]);
    expect(report?.evidence.map(({ name }) => name)).toEqual([
      "log.txt",
      "config.json",
      "repeat-1/table",
      "repeat-2/table",
    ]);
    expect(report?.environment).toMatchObject({ runtime: "process", node: "n1" });
  });
});
