import { afterAll, beforeAll, expect, it } from "vitest";
import { createOptions } from "../../daemon/docker/host-config.ts";
import type { RunningDaemon } from "../../daemon/main.ts";
import { newId } from "../../contract/ids.ts";
import { describeWithEngine } from "../support/engine.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { evidence, finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";
import { launchIn } from "./launch-in.ts";

describeWithEngine("a daemon with containers", ({ docker, image }) => {
  let server: TestServer;
  let node: TestNode;
  let daemon: RunningDaemon;

  beforeAll(async () => {
    server = await startTestServer();
    node = await makeNode(server, "n1");
    daemon = await node.start();
  });
  afterAll(async () => {
    await daemon.stop();
    await node.remove();
    await server.stop();
  });

  async function reportOf(script: string, cell: object = {}, repeats = 1) {
    const sweep = sweepOf(script, { repeats, cell: { runtime: "docker", image, ...cell } });
    const { view, runs } = await finished(server, await submit(server, sweep));
    const last = runs[0]?.attempts.at(-1);
    return { states: view.states, report: last?.report, attempt: last?.id ?? "" };
  }

  const containersOf = (attempt: string) =>
    docker.listContainers({ all: true, filters: { label: [`gridpost.attempt=${attempt}`] } });

  it("runs each repeat in a container of its own, names the image by its content, and leaves nothing", async () => {
    const { Id } = await docker.getImage(image).inspect();
    const { report, attempt } = await reportOf(
      "cat /proc/self/cgroup >${out}/cgroup; echo performance: 3 x",
      {},
      2,
    );
    expect(report).toMatchObject({ outcome: "ok", runtime: "docker", image: Id });
    expect(report?.environment["engine"]).toMatch(/^docker /);
    expect(report?.samples.map(({ repeat }) => repeat)).toEqual([1, 2]);
    const files = report?.evidence.filter(({ name }) => name.endsWith("/cgroup")) ?? [];
    expect(new Set(files.map(({ sha256 }) => sha256)).size).toBe(2);
    expect(await containersOf(attempt)).toEqual([]);
  });

  it("says that the memory ran out, whatever the exit code is", async () => {
    const hog =
      "node -e 'const a=[]; for(;;) a.push(Buffer.alloc(8<<20,1))'; echo performance: 1 x; exit 0";
    const { report } = await reportOf(hog, { resources: { memory: "96MiB" } });
    expect(report).toMatchObject({ outcome: "oom", samples: [] });
  });

  it("cannot reach a network, write to its root, or gain rights", async () => {
    const { report } = await reportOf(
      "cat /proc/net/dev /proc/self/status; echo x > /root-file || echo read-only; echo performance: 1 x",
    );
    const log = await evidence(
      server,
      report?.evidence.find(({ name }) => name === "log.txt")?.sha256,
    );
    expect(log).not.toContain("eth0");
    expect(log).toMatch(/CapEff:\s+0000000000000000/);
    expect(log).toMatch(/NoNewPrivs:\s+1/);
    expect(log).toContain("read-only");
  });

  it("does not try an image again elsewhere that exists nowhere, but says why", async () => {
    const { report } = await reportOf("true", { image: "registry.invalid/no/such:1" });
    expect(report).toMatchObject({
      outcome: "setup_failed",
      message: expect.stringContaining("cannot pull registry.invalid/no/such:1"),
    });
  });

  it("never touches a container of another installation", async () => {
    const { Id } = await docker.getImage(image).inspect();
    const launch = launchIn(node.data, ["sleep", "60"], { image: Id });
    const options = createOptions(launch, { install: newId(), user: "65532:65532" });
    const foreign = await docker.createContainer(options);
    await foreign.start();
    expect((await reportOf("echo performance: 1 x")).states).toEqual({ succeeded: 1 });
    expect((await foreign.inspect()).State.Running).toBe(true);
    await foreign.remove({ force: true });
  });
});
