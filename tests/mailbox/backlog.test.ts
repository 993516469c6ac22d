import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendMessage } from "../../mailbox/send.ts";
import { openRoom } from "../../storage/room.ts";
import { type OpenedDb, sqlite } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { openPostOffice, type PostOffice } from "../support/post-office.ts";

const note = { subject: "build", body: "done" };
const full = { code: "RATE_LIMITED", details: [{ agent: "blue", limit: 2 }] };

describe("a full inbox", () => {
  let opened: OpenedDb;
  let office: PostOffice;
  beforeEach(async () => {
    opened = await openMigrated(sqlite);
    office = openPostOffice({ ...opened, maxUnread: 2 });
  });
  afterEach(() => opened.close());

  it("has room again when its mail has expired, also for @all", async () => {
    const { red, blue } = await office.agents("red", "blue");
    const brief = { to: ["blue"], ...note, expiresAfterMs: 60_000 };
    for (let i = 0; i < 2; i++) await red.send({ body: brief });
    await expect(red.send({ body: brief })).rejects.toMatchObject(full);
    opened.clock.advance(60_001);
    await red.send({ body: { to: ["@all"], ...note } });
    await office.fanOut();
    // Room that was made shows at the next count, which does not follow the last at once.
    const send = () => red.send({ body: { to: ["blue"], ...note } });
    await expect.poll(send, { timeout: 10_000 }).toBeDefined();
    expect((await blue.inbox()).messages).toHaveLength(2);
    await expect(red.send({ body: { to: ["blue"], ...note } })).rejects.toMatchObject(full);
  });

  it("of a member of a group or an implied recipient is left out; only a named one is refused", async () => {
    const { red, green } = await office.agents("red", "blue", "green");
    const skipped = [{ agent: "blue", reason: "full" }];
    const { id } = await red.send({ body: { to: ["blue", "green"], ...note } });
    await red.createGroup({ body: { name: "perf", members: ["blue", "green"] } });
    await red.send({ body: { to: ["blue"], ...note } });
    const sent = await red.send({ body: { to: ["@perf"], ...note } }, { key: "k" });
    expect(sent).toMatchObject({ recipients: [{ agent: "green", seq: 2 }], skipped });
    expect(await red.send({ body: { to: ["@perf"], ...note } }, { key: "k" })).toEqual(sent);
    const toAll = { params: { message: id }, body: { body: "yes", all: true } };
    expect(await green.reply(toAll)).toMatchObject({ recipients: [{ agent: "red" }], skipped });
    await expect(
      green.reply({ ...toAll, body: { ...toAll.body, cc: ["blue"] } }),
    ).rejects.toMatchObject(full);
    await expect(red.send({ body: { to: ["@perf", "blue"], ...note } })).rejects.toMatchObject(
      full,
    );
  });

  it("of the only one whom a reply would reach is refused", async () => {
    const { red } = await office.agents("red", "blue");
    const { id } = await red.send({ body: { to: ["blue"], ...note } });
    await red.send({ body: { to: ["blue"], ...note } });
    const more = red.reply({ params: { message: id }, body: { body: "more" } });
    await expect(more).rejects.toMatchObject(full);
  });

  it("refuses a message before anything of it is written", async () => {
    await office.agents("red", "blue");
    const appended: string[] = [];
    const draft = {
      project: "default",
      actor: "agent:default/red",
      from: "red",
      uploaders: [],
      to: ["blue"],
      cc: [],
      bcc: [],
      implied: [],
      answers: null,
      replyTo: null,
      ...note,
      thread: undefined,
      open: false,
      importance: "normal" as const,
      ackRequired: false,
      ackWithinMs: undefined,
      expiresAfterMs: undefined,
      payload: undefined,
      attachments: [],
    };
    const sending = office.log.tx([], (tx) =>
      sendMessage(
        {
          ...tx,
          append: (event) => {
            appended.push(event.type);
            return tx.append(event);
          },
        },
        { dialect: office.db.dialect, room: openRoom(0) },
        { id: crypto.randomUUID(), draft },
      ),
    );
    await expect(sending).rejects.toMatchObject({ code: "RATE_LIMITED" });
    expect(appended).toEqual([]);
  });
});
