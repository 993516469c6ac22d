import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rebuildEphemeral } from "../../server/epoch.ts";
import { TestClock } from "../support/clock.ts";
import { type OpenedDb, sqlite } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { openPostOffice } from "../support/post-office.ts";

describe("a server that is restored", () => {
  let opened: OpenedDb;
  beforeEach(async () => {
    opened = await openMigrated(sqlite);
  });
  afterEach(() => opened.close());

  it("does what the journal's end calls for, however long after it the restore comes", async () => {
    const { blue } = await openPostOffice(opened).agents("blue", "red");
    await blue.send({ body: { to: ["@all"], subject: "to all", body: "x" } });
    const clock = new TestClock(opened.clock.now() + 50 * 3_600_000);
    const db = await opened.reopen(clock);
    await rebuildEphemeral(db);
    const office = openPostOffice({ db, clock });
    await office.fanOut();
    const { messages } = await office.agent("red").inbox();
    expect(messages.map(({ subject }) => subject)).toEqual(["to all"]);
  });
});
