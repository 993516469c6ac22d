import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { lastSeq } from "../../storage/log.ts";
import { TestClock } from "../support/clock.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

const params = { project: "default" };
const MINUTE_MS = 60_000;
const QUARTER_MS = 15 * MINUTE_MS;
const good = {
  samples: [{ repeat: 1, metric: "performance", value: 7, unit: "GFLOP/s" }],
};
const bad = { outcome: "failed" as const, message: "exit code 1" };

/** A sweep of so many runs. */
const sweep = (name: string, blocks: number, thread?: string) => ({
  name,
  cell: { runtime: "process" as const, command: ["true"] },
  repeats: 1,
  blocks,
  metrics: { primary: "performance", direction: "higher" as const },
  ...(thread === undefined ? {} : { thread }),
});

describe("those who follow a sweep", () => {
  const clock = new TestClock();
  let server: TestServer;
  let anna: Member;
  const agents = new Map<string, Client>();
  beforeAll(async () => {
    server = await startTestServer({ clock });
    anna = await server.join("user", "anna");
    for (const name of ["blue", "red", "gray"]) agents.set(name, await anna.asAgent(name));
  });
  afterAll(() => server.stop());

  const agent = (name: string): Client => agents.get(name)!;

  async function submit(client: Client, body: ReturnType<typeof sweep>): Promise<string> {
    const submitted = await client.cells.submitSweep({ params, body: { sweep: body } });
    await posted(submitted.thread, 1);
    return submitted.thread;
  }

  /** The entries of a thread, as soon as there are so many. */
  async function posted(thread: string, count: number): Promise<string[]> {
    for (;;) {
      const page = await agent("gray")
        .mailbox.thread({ params: { ...params, thread }, query: { limit: 100 } })
        .catch(() => ({ messages: [] }));
      if (page.messages.length >= count) return page.messages.map(({ subject }) => subject);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Works off the next run by hand. */
  async function work(report: typeof good | typeof bad = good): Promise<void> {
    const worker = agent("gray").cells;
    const { session } = await worker.claimByHand({ params, body: {} });
    await worker.completeClaim({ params: { ...params, session: session!.id }, body: { report } });
  }

  async function pass(ms: number): Promise<void> {
    // What is not archived yet would seem to have waited for all of that time.
    await server.running.archive.flush();
    clock.advance(ms);
    await server.fireDeadlines();
  }

  const follow = (name: string, thread: string, state: "follow" | "mute") =>
    agent(name).mailbox.followThread({ params: { ...params, thread }, body: { state } });

  /** What came into the inboxes since the last look, without the sweep's name. */
  const places = new Map<string, number>();
  async function news(name: string): Promise<string[]> {
    const after = places.get(name) ?? 0;
    const page = await agent(name).mailbox.inbox({ params, query: { after } });
    places.set(name, page.next);
    return page.messages.map(({ subject }) => subject);
  }

  it("are told of the first failure, by digests of what happened between, and of the end", async () => {
    const thread = await submit(agent("blue"), sweep("told", 6));
    await follow("red", thread, "follow");
    await follow("gray", thread, "follow");
    await follow("gray", thread, "mute");
    await work(bad);
    await posted(thread, 2);
    expect(await news("blue")).toEqual(["failed: block 1 of told"]);
    // That was all, and they were told of it.
    await pass(QUARTER_MS);
    await work();
    await posted(thread, 3);
    await pass(MINUTE_MS);
    await work(bad);
    await posted(thread, 4);
    await pass(QUARTER_MS - MINUTE_MS - 1);
    expect(await news("blue")).toEqual([]);
    await pass(1);
    expect(await news("blue")).toEqual(["Sweep told: 3 more runs have ended"]);
    const { messages } = await agent("blue").mailbox.thread({ params: { ...params, thread } });
    expect(messages.at(-1)?.body).toBe(
      "Since the last digest: 2 failed, 1 succeeded.\n\nOf 6 runs: 2 failed, 3 queued, 1 succeeded.",
    );

    // Nothing happens: no digest.
    await pass(4 * QUARTER_MS);
    await work();
    await posted(thread, 6);
    await pass(QUARTER_MS);
    expect(await news("blue")).toEqual(["Sweep told: 1 more run has ended"]);

    await work();
    await work();
    await posted(thread, 10);
    await pass(4 * QUARTER_MS);
    expect(await news("blue")).toEqual(["Report of sweep told"]);
    expect(await news("red")).toEqual([
      "failed: block 1 of told",
      "Sweep told: 3 more runs have ended",
      "Sweep told: 1 more run has ended",
      "Report of sweep told",
    ]);
    expect(await news("gray")).toEqual([]);
  });

  it("hear of each sweep in a thread, and not again when the log is read again", async () => {
    const thread = await submit(agent("blue"), sweep("one", 1, "lab"));
    await work(bad);
    await posted(thread, 3);
    await follow("blue", thread, "mute");
    await submit(agent("red"), sweep("two", 1, "lab"));
    await posted(thread, 4);
    await work(bad);
    await posted(thread, 6);
    expect(await news("blue")).toEqual(["failed: block 1 of one", "Report of sweep one"]);
    expect(await news("red")).toEqual(["failed: block 1 of two", "Report of sweep two"]);

    const { eventLog } = server.running;
    const end = await lastSeq(eventLog.query);
    await eventLog.tx([], ({ query }) =>
      query("update e_cursors set seq = 0 where name = 'sweep-posts'"),
    );
    const place = (): Promise<{ seq: number }[]> =>
      eventLog.query("select seq from e_cursors where name = 'sweep-posts'");
    while ((await place())[0]!.seq < end) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await posted(thread, 6)).toHaveLength(6);
    expect([await news("blue"), await news("red")]).toEqual([[], []]);
  });

  it("are nobody where a user without an agent has submitted it", async () => {
    const thread = await submit(anna.client, sweep("alone", 1));
    await work(bad);
    await posted(thread, 3);
    for (const name of ["blue", "red", "gray"]) expect(await news(name)).toEqual([]);
  });

  it("find its thread open from the submission on, so that nobody makes it private", async () => {
    const red = agent("red");
    const body = { sweep: sweep("mine", 1, "mine") };
    const { thread } = await agent("blue").cells.submitSweep({ params, body });
    await red.mailbox.send({ params, body: { to: ["red"], subject: "not yours", thread } });
    const page = await agent("gray").mailbox.thread({ params: { ...params, thread } });
    expect(page.open).toBe(true);
    await work();
    expect(await posted(thread, 4)).toEqual([
      "Sweep mine",
      "not yours",
      "succeeded: block 1",
      "Report of sweep mine",
    ]);
  });
});
