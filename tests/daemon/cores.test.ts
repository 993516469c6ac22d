import { availableParallelism } from "node:os";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { freeCapacity } from "../../daemon/capacity.ts";
import type { Node } from "../../daemon/node.ts";
import { Cores } from "../../daemon/process/cores.ts";
import { makeGate } from "../support/gate.ts";
import { startTestServer } from "../support/server.ts";
import { evidence, finished, makeNode, submit, sweepOf } from "./support.ts";

const never = new AbortController().signal;

const idleNode = (cores: Cores): Node =>
  ({
    cores,
    contact: { draining: false, met: true, skewMs: 0, silentMs: () => 0 },
    engines: { problem: null, runtimes: () => ["process"] },
    disk: { problem: null },
    inventory: { gpus: [], slots: 2 },
    spool: { sessions: () => [] },
    quarantine: new Set(),
  }) as unknown as Node;

describe("the cores of a machine", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("are given to one attempt at a time; who asks for too many gets all, who sets no limit none", async () => {
    const cores = new Cores([0, 1, 4, 5]);
    expect(await cores.take("a", 1, never)).toEqual([0]);
    expect(await cores.take("b", 1.5, never)).toEqual([1, 4]);
    expect(await cores.take("c", null, never)).toEqual([]);
    cores.release("a");
    cores.release("b");
    expect(await cores.take("d", 9, never)).toEqual([0, 1, 4, 5]);
    expect(await new Cores([]).take("e", 1, never)).toEqual([]);
  });

  it("are offered to the server only while nobody has them", async () => {
    const cores = new Cores([0, 1]);
    const offered = (of: Cores): unknown => freeCapacity(idleNode(of))?.cores;
    expect(offered(cores)).toBe(2);
    await cores.take("a", 2, never);
    expect(offered(cores)).toBe(0);
    cores.release("a");
    expect(offered(cores)).toBe(2);
    expect(offered(new Cores([]))).toBeUndefined();
  });

  it("are waited for, and not for ever", async () => {
    const cores = new Cores([0, 1]);
    cores.hold("of an earlier life", [0]);
    const waits = cores.take("a", 2, never);
    await vi.advanceTimersByTimeAsync(60_000);
    cores.release("of an earlier life");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await waits).toEqual([0, 1]);
    const patience = new AbortController();
    const inVain = cores.take("b", 1, patience.signal);
    patience.abort();
    await expect(inVain).rejects.toThrow(
      "needs 1 of 2 cores, and others have 2: ask for fewer in cell.resources.cpus, or start the daemon with fewer --slots",
    );
  });
});

it.runIf(process.platform === "linux" && availableParallelism() > 1)(
  "runs side by side on a node, over a restart of its daemon, have cores of their own, which their results name",
  async () => {
    const server = await startTestServer();
    const node = await makeNode(server, "n1", { allowProcess: true, slots: 2 });
    const gate = await makeGate();
    const cell = { resources: { cpus: 1 } };
    const script = `${gate.wait}; grep Cpus_allowed_list: /proc/self/status; echo performance: 5 x`;
    const first = await submit(server, sweepOf(script, { cell }));
    const running = (count: number) =>
      expect
        .poll(
          async () => (await server.admin.client.nodes.node({ params: { node: "n1" } })).running,
          {
            timeout: 30_000,
          },
        )
        .toBe(count);
    const before = await node.start();
    await running(1);
    await before.stop();
    const daemon = await node.start();
    const second = await submit(server, sweepOf(script, { cell }));
    await running(2);
    await gate.open();
    const used: (string | undefined)[] = [];
    for (const sweep of [first, second]) {
      const { runs } = await finished(server, sweep);
      const report = runs[0]?.attempts[0]?.report;
      const cores = report?.environment["coresUsed"];
      const log = report?.evidence.find(({ name }) => name === "log.txt");
      expect(await evidence(server, log?.sha256)).toContain(`Cpus_allowed_list:\t${cores}\n`);
      used.push(cores);
    }
    expect(new Set(used).size).toBe(2);
    await daemon.stop();
    await node.remove();
    await server.stop();
  },
);
