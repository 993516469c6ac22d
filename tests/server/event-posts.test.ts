import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import { mailboxProjection } from "../../mailbox/projection.ts";
import { type EventPosts, startEventPosts } from "../../server/event-posts.ts";
import { startSweepPosts } from "../../server/sweep-posts.ts";
import type { Db } from "../../storage/db.ts";
import { type EventLog, openLog } from "../../storage/event-log.ts";
import type { LoggedEvent, Projection } from "../../storage/log.ts";
import type { Reader } from "../../storage/readers.ts";
import { TestClock } from "../support/clock.ts";
import { type OpenedDb, sqlite } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";

const project = "default";
/** Events that change nothing here. */
const silent: Projection = {
  name: "silent",
  tables: [],
  apply: { "tally.added": () => Promise.resolve(), "sweep.finished": () => Promise.resolve() },
};

describe("posts about events", () => {
  let opened: OpenedDb;
  let log: EventLog;
  let reader: Reader;
  const errors: unknown[] = [];
  const givenUp: string[] = [];
  const deps = {
    onError: (error: unknown) => errors.push(error),
    onGivenUp: (_error: unknown, { id }: LoggedEvent) => givenUp.push(id),
    tries: 3,
  };
  beforeEach(async () => {
    errors.length = 0;
    givenUp.length = 0;
    opened = await openMigrated(sqlite);
    log = logOf(opened.db);
  });
  afterEach(async () => {
    await reader.stop();
    await opened.close();
  });

  const logOf = (db: Db): EventLog => {
    const deadlines = { "sweep.digest": { fire: () => Promise.resolve() } };
    return openLog({ db, projections: [mailboxProjection, silent], deadlines });
  };
  const add = (type: string, body: object): Promise<string> =>
    log.tx([], async (tx) => (await tx.append({ type, project, actor: "server", body })).id);

  /** The subjects of a thread, as soon as there are so many. */
  async function posted(thread: string, count: number): Promise<string[]> {
    for (;;) {
      const rows = await log.query<{ subject: string }>(
        "select subject from p_messages where thread = $1 order by n",
        [thread],
      );
      if (rows.length >= count) return rows.map(({ subject }) => subject);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Posts the names of tallies, unless `fail` throws. */
  const start = (fail: (name: string) => void, over = log): Promise<Reader> => {
    const postOf: EventPosts["postOf"] = async ({ body }) => {
      const { name } = body as { name: string };
      fail(name);
      return Promise.resolve({ project, thread: "t", open: true, subject: name, body: "" });
    };
    return startEventPosts({
      ...deps,
      log: over,
      name: "test-posts",
      types: ["tally.added"],
      postOf,
    });
  };

  it("go on behind an event about which none can be made, after some tries", async () => {
    await add("tally.added", { name: "before" });
    const bad = await add("tally.added", { name: "bad" });
    await add("tally.added", { name: "after" });
    reader = await start((name) => {
      if (name === "bad") throw new Error("cannot be said");
    });
    expect(await posted("t", 2)).toEqual(["before", "after"]);
    expect(givenUp).toEqual([bad]);
    expect(errors).toHaveLength(2);
  });

  it("are not made again when the reader did not get to note its place before a long stop", async () => {
    await add("tally.added", { name: "once" });
    // The process ends between the post and the reader's note of how far it is.
    const stuck: EventLog = {
      ...log,
      tx: (keys, fn) =>
        keys.includes("cursor:test-posts")
          ? Promise.reject(new Error("stopped"))
          : log.tx(keys, fn),
    };
    reader = await start(() => undefined, stuck);
    await posted("t", 1);
    await reader.stop();

    const clock = new TestClock(opened.clock.now() + 60 * 3_600_000);
    log = logOf(await opened.reopen(clock));
    await add("tally.added", { name: "next" });
    reader = await start(() => undefined);
    await expect.poll(() => posted("t", 2)).toEqual(["once", "next"]);
  });

  it("wait as long as it takes for a store that cannot write", async () => {
    let failures = 4;
    reader = await start(() => {
      if (failures-- > 0) throw new ProblemError("UNAVAILABLE", "the disk is full");
    });
    await add("tally.added", { name: "late" });
    expect(await posted("t", 1)).toEqual(["late"]);
    expect(givenUp).toEqual([]);
    expect(errors).toHaveLength(4);
  });

  it("try again what they say instead, and give up in the end", async () => {
    let failures = 1;
    const instead: EventPosts["instead"] = ({ body }) => {
      const { name } = body as { name: string };
      const fails = name === "never" || failures-- > 0;
      const also = (): Promise<void> =>
        fails ? Promise.reject(new Error("no")) : Promise.resolve();
      return { project, thread: "t", open: true, subject: `${name} after all`, body: "", also };
    };
    const postOf = (): never => {
      throw new Error("cannot be said");
    };
    const types = ["tally.added"];
    reader = await startEventPosts({
      ...deps,
      log,
      name: "test",
      types,
      postOf,
      instead,
      tries: 2,
    });
    const never = await add("tally.added", { name: "never" });
    const bad = await add("tally.added", { name: "bad" });
    expect(await posted("t", 1)).toEqual(["bad after all"]);
    await expect.poll(() => givenUp).toEqual([never, bad]);
    expect(errors).toHaveLength(3 + 2);
  });

  it("say that a sweep has ended where its report cannot be made", async () => {
    const report = () => Promise.reject(new Error("no such column"));
    reader = await startSweepPosts({ ...deps, log, report });
    const id = newId();
    await add("sweep.finished", { id, thread: "s", states: { succeeded: 3, failed: 1 } });
    expect(await posted("s", 1)).toEqual([`Sweep ${id} has ended`]);
    const [{ body } = { body: "" }] = await log.query<{ body: string }>(
      "select body from p_messages",
    );
    expect(body).toBe("3 succeeded, 1 failed.\n\nIts report could not be made: no such column");
    expect(givenUp).toHaveLength(1);
  });
});
