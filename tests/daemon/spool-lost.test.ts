import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { countOf, ownSleep } from "../support/processes.ts";
import { startTestServer } from "../support/server.ts";
import { finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";

const LOSSES: Record<string, (node: TestNode) => Promise<void>> = {
  "is not there any more": async ({ data }) => {
    for (const end of ["", "-wal", "-shm"]) await rm(join(data, `spool.db${end}`), { force: true });
  },
  "has become garbage": async ({ data }) => {
    for (const end of ["-wal", "-shm"]) await rm(join(data, `spool.db${end}`), { force: true });
    await writeFile(join(data, "spool.db"), Buffer.alloc(8_192, "x"));
  },
};

describe.runIf(process.platform === "linux")("a daemon whose spool", () => {
  it.each(Object.entries(LOSSES))(
    "%s ends what it began before, starts nothing twice, and takes work again",
    async (_name, lose) => {
      let offset = 0;
      const server = await startTestServer({
        clock: { now: () => Date.now(), monotonic: () => performance.now() + offset },
      });
      const node = await makeNode(server, "n1", { allowProcess: true });
      const before = await node.start();
      const command = ownSleep();
      const first = await submit(server, sweepOf(`exec ${command}`, { name: "first" }));
      await eventually(async () => ((await countOf(command)) === 1 ? true : undefined));
      await before.stop();
      await lose(node);
      // Its session is forgotten: the server gives the attempt up when a beat after its lease does not name it.
      offset = 100_000;
      const after = await node.start();
      expect(await countOf(command)).toBe(0);
      const second = await submit(server, sweepOf("echo performance: 7 x", { name: "second" }));
      const { view } = await finished(server, second);
      expect(view.states).toEqual({ succeeded: 1 });
      const { runs } = await finished(server, first);
      expect(runs[0]).toMatchObject({ state: "failed", attempt: 1, outcome: "lost" });
      expect((await readdir(node.data)).some((name) => name.includes("damaged"))).toBe(
        lose === LOSSES["has become garbage"],
      );
      expect(await server.admin.client.nodes.node({ params: { node: "n1" } })).toMatchObject({
        state: "ready",
        running: 0,
      });
      await after.stop();
      await node.remove();
      await server.stop();
    },
  );
});
