import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { drivers, type OpenedDb } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { openPostOffice, type PostOffice } from "../support/post-office.ts";

const note = { subject: "build", body: "done" };

describe.each(drivers)("a message to groups on $name", (driver) => {
  let opened: OpenedDb;
  let office: PostOffice;
  beforeEach(async () => {
    opened = await openMigrated(driver);
    office = openPostOffice({ ...opened, maxUnread: 1 });
  });
  afterEach(() => opened.close());

  it("is refused when nobody in them would get it, and says why", async () => {
    const { red } = await office.agents("red", "shut", "busy");
    const shut = { params: { name: "shut" }, body: { policy: "closed" as const } };
    await office.user("anna").setPolicy(shut);
    await red.createGroup({ body: { name: "closed", members: ["shut", "red"] } });
    await red.createGroup({ body: { name: "full", members: ["busy"] } });
    await red.createGroup({ body: { name: "own", members: ["red"] } });
    const send = (...to: string[]) => red.send({ body: { to, ...note } });
    await expect(send("@closed", "@own")).rejects.toMatchObject({
      code: "CONTACT_REQUIRED",
      details: [{ agent: "shut" }],
    });
    await expect(send("@own")).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: "@own has no members but you",
    });
    await send("busy");
    await expect(send("@full", "@closed")).rejects.toMatchObject({
      code: "RATE_LIMITED",
      details: [{ agent: "busy" }],
    });
    expect((await send("@closed", "@full", "red")).recipients).toEqual([{ agent: "red", seq: 1 }]);
  });
});
