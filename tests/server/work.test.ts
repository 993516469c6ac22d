import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { registerNode, workAll } from "../support/node.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const params = { project: "default" };

const sweep = (name: string) => ({
  name,
  matrix: { axes: { size: [1, 2, 3, 4, 5] } },
  cell: { runtime: "process" as const, command: ["true", "${size}"] },
  repeats: 1,
  blocks: 8,
  metrics: { primary: "performance", direction: "higher" as const },
});

/** Asks until the answer fits; what follows a commit follows within moments. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("work over HTTP", () => {
  let server: TestServer;
  let blue: Client;
  beforeAll(async () => {
    server = await startTestServer();
    const anna = await server.join("user", "anna");
    blue = await anna.asAgent("blue");
  });
  afterAll(() => server.stop());

  it("gives forty runs to two nodes, each run to one of them, and posts them to the thread", async () => {
    const nodes = await Promise.all(["n1", "n2"].map((name) => server.join("node", name)));
    await Promise.all(nodes.map(({ client }) => registerNode(client)));
    const submitted = await blue.cells.submitSweep({ params, body: { sweep: sweep("forty") } });
    expect(submitted.runs).toBe(40);
    const worked = await Promise.all(nodes.map(({ client }) => workAll(client)));
    expect(worked[0]! + worked[1]!).toBe(40);

    const show = { params: { ...params, sweep: submitted.sweep } };
    const done = await blue.cells.sweep({ ...show, query: { wait: 60_000 } });
    expect(done).toMatchObject({ state: "finished", states: { succeeded: 40 } });
    const { runs } = await blue.cells.runs({ ...show, query: { limit: 100 } });
    expect(runs.every((run) => run.attempt === 1 && run.outcome === "ok")).toBe(true);

    const thread = { params: { ...params, thread: submitted.thread }, query: { limit: 100 } };
    const { messages } = await until(
      () => blue.mailbox.thread(thread),
      (answer) => answer.messages.length === 42,
    );
    expect(messages[0]).toMatchObject({ from: "gridpost", subject: "Sweep forty" });
    expect(messages[1]?.subject).toMatch(/^succeeded: size=\d, block \d$/);
    expect(messages[41]?.subject).toBe("Report of sweep forty");
  });

  it("posts no sweep into a private thread, and into an open one as asked", async () => {
    const letter = { to: ["blue"], subject: "between us", thread: "private-talk" };
    await blue.mailbox.send({ params, body: letter });
    await blue.mailbox.send({ params, body: { ...letter, thread: "open-talk", open: true } });
    const submit = (thread: string) =>
      blue.cells.submitSweep({ params, body: { sweep: { ...sweep("posted"), thread } } });
    await expect(submit("private-talk")).rejects.toMatchObject({ code: "THREAD_TAKEN" });
    const { sweep: id, thread } = await submit("open-talk");
    expect(thread).toBe("open-talk");
    await blue.cells.cancelSweep({ params: { ...params, sweep: id }, body: {} });
  });

  it("refuses another node's attempt", async () => {
    const [n3, n4] = await Promise.all(["n3", "n4"].map((name) => server.join("node", name)));
    await registerNode(n3!.client);
    await blue.cells.submitSweep({ params, body: { sweep: sweep("theft") } });
    const { session } = await n3!.client.cells.claim({
      body: { slots: 1, runtimes: ["process"] },
    });
    const attempt = session!.runs[0]!.attempt.id;
    const start = { params: { attempt }, body: { runtime: "process" as const, image: null } };
    await expect(n4!.client.cells.start(start)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});
