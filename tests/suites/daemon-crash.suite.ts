import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { AttemptFolder, makeWorkRoots } from "../../daemon/attempt-folder.ts";
import { Spool } from "../../daemon/spool.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import {
  evidence,
  finished,
  killDaemons,
  makeNode,
  spawnDaemon,
  submit,
  sweepOf,
  type TestNode,
} from "../daemon/support.ts";

/** Every place between two steps of an attempt, by the statement that writes the next step down. */
export const CRASHES = [
  { when: "after", statement: "insert into sessions" },
  { when: "before", statement: "set plan" },
  { when: "before", statement: "'creating') on conflict" },
  { when: "after", statement: "'creating') on conflict" },
  { when: "before", statement: "state = 'created'" },
  { when: "after", statement: "state = 'created'" },
  { when: "before", statement: "state = 'started'" },
  { when: "after", statement: "state = 'started'" },
  { when: "before", statement: "state = 'ended'" },
  { when: "after", statement: "state = 'ended'" },
  { when: "before", statement: "set report" },
  { when: "after", statement: "set report" },
  { when: "before", statement: "delete from executions" },
  { when: "after", statement: "delete from gpu_locks" },
] as const;

export type Crash = (typeof CRASHES)[number];

/** Waits, also in a container, for what the test puts beside the results; not for ever, should the test fail. */
const HELD = "for i in $(seq 1200); do [ -e ${out}/go ] && break; sleep 0.1; done";

/** Leaves a line for each time that it is run. */
const COUNTED = "echo run >> ${out}/count; echo begin; sleep 0.4; echo performance: 7 x";

/** A daemon that is killed at these places, and at its ordinary ones, runs everything once and delivers it once. */
export function crashSuite(
  cell: { readonly runtime: "process" | "docker"; readonly image?: string },
  crashes: readonly Crash[],
): void {
  let server: TestServer;
  let node: TestNode;

  beforeAll(async () => {
    server = await startTestServer();
    node = await makeNode(server, "n1", { allowProcess: true });
  });
  afterEach(killDaemons);
  afterAll(async () => {
    await node.remove();
    await server.stop();
  });

  async function expectRunOnce(sweep: Awaited<ReturnType<typeof submit>>): Promise<void> {
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    expect(runs[0]?.attempts).toHaveLength(1);
    const report = runs[0]?.attempts[0]?.report;
    expect(report?.samples.map(({ repeat, value }) => [repeat, value])).toEqual([[1, 7]]);
    const file = (name: string) => report?.evidence.find((one) => one.name === name)?.sha256;
    expect(await evidence(server, file("repeat-1/count"))).toBe("run\n");
    expect(await evidence(server, file("log.txt"))).toBe(
      "== repeat 1 of 1 ==\nbegin\nperformance: 7 x\n",
    );
  }

  it.each(crashes)("runs once and delivers once when killed $when $statement", async (crash) => {
    const sweep = await submit(server, sweepOf(COUNTED, { cell }));
    const first = spawnDaemon(node, crash);
    await first.ended;
    const second = spawnDaemon(node);
    await expectRunOnce(sweep);
    await second.end("SIGTERM");
  });

  it("takes up again what runs after a kill, and what ended meanwhile", async () => {
    const script = `${COUNTED.replace("0.4", "1.5")}`;
    for (const pause of [0, 2_500]) {
      const sweep = await submit(server, sweepOf(script, { cell }));
      const first = spawnDaemon(node);
      await running(sweep);
      await first.end("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, pause));
      const second = spawnDaemon(node);
      await expectRunOnce(sweep);
      await second.end("SIGTERM");
    }
  });

  it("hands off in less than 10 s at SIGTERM, and what runs runs on", async () => {
    const sweep = await submit(server, sweepOf(COUNTED.replace("sleep 0.4", HELD), { cell }));
    const first = spawnDaemon(node);
    await running(sweep);
    expect(await first.end("SIGTERM")).toBeLessThan(10_000);
    const { admin } = server;
    const params = { project: "default", sweep: sweep.sweep };
    expect((await admin.client.cells.sweep({ params })).states).toEqual({ running: 1 });
    await letEnd(sweep);
    const second = spawnDaemon(node);
    await expectRunOnce(sweep);
    await second.end("SIGTERM");
  });

  async function runOf({ sweep }: Awaited<ReturnType<typeof submit>>) {
    const params = { project: "default" };
    const { runs } = await server.admin.client.cells.runs({ params: { ...params, sweep } });
    return { params: { ...params, run: runs[0]?.id ?? "" } };
  }

  /** Until the run's log says that its command has begun. */
  async function running(sweep: Awaited<ReturnType<typeof submit>>): Promise<void> {
    const run = await runOf(sweep);
    await eventually(async () => {
      const { text } = await server.admin.client.cells.runLogs(run);
      return text.includes("begin\n") ? true : undefined;
    });
  }

  /** Lets a held command go on while no daemon runs. */
  async function letEnd(sweep: Awaited<ReturnType<typeof submit>>): Promise<void> {
    const { attemptId } = await server.admin.client.cells.run(await runOf(sweep));
    const db = openLocalFile(join(node.data, "spool.db"));
    const roots = await makeWorkRoots(node.data, new Spool(db).installId);
    db.close();
    const folder = new AttemptFolder(roots, cell.runtime, attemptId ?? "");
    await writeFile(join(folder.out(1), "go"), "");
  }
}
