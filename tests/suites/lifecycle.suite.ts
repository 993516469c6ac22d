import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Driver } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { openPostOffice, type PostOffice, usePostOffice } from "../support/post-office.ts";

/** What becomes of a message after it was sent, on every driver. */
export function lifecycleSuite(driver: Driver): void {
  describe(`the life of a message on ${driver.name}`, () => {
    const office = usePostOffice(driver);
    describe("acknowledgement", () => acknowledgement(office));
    it("reminds once, whenever the server was started anew", () => remindsOnce(driver));
    describe("inbox filters", () => filters(office));
    describe("attachments", () => attachments(office));
  });
}

const note = { subject: "build", body: "done" };
const read = (message: string) => ({ params: { message } });

function acknowledgement(office: () => PostOffice): void {
  it("reminds once of those who did not acknowledge in time", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green");
    const body = { to: ["blue", "green"], ...note, ackWithinMs: 60_000 };
    const { id } = await red.send({ body });
    await green.ack(read("1"));
    expect(await blue.message(read(id))).toMatchObject({ ackRequired: true });
    office().clock.advance(60_000);
    await office().log.deadlines.fireDue();
    office().clock.advance(3_600_000);
    await office().log.deadlines.fireDue();
    const events = await office().db.query<{ body: string }>(
      "select body from events where type = 'ack.overdue'",
    );
    expect(events.map((event) => JSON.parse(event.body) as unknown)).toEqual([
      { message: id, agents: ["blue"] },
    ]);
  });

  it("tells the sender alone who did not acknowledge in time", async () => {
    const { red, blue } = await office().agents("red", "blue", "green");
    const to = { to: ["blue"], bcc: ["green"] };
    const { id } = await red.send({
      body: { ...to, ...note, thread: "lab", open: true, ackWithinMs: 60_000 },
    });
    office().clock.advance(60_000);
    await office().log.deadlines.fireDue();
    const told = await red.message(read("1"));
    expect(told).toMatchObject({ from: "gridpost", subject: "Not acknowledged in time: build" });
    expect(told.body).toBe(
      `Without an acknowledgement by blue, green.\n\nHow it fared: gridpost receipts ${id}`,
    );
    await expect(blue.message(read(told.id))).rejects.toMatchObject({ code: "NOT_FOUND" });
    const { messages } = await blue.thread({ params: { thread: "lab" } });
    expect(messages).toHaveLength(1);
  });

  it("reminds of a message to everybody that was delivered only after its time, too, and once", async () => {
    const { red, blue } = await office().agents("red", "blue");
    await red.send({ body: { to: ["@all"], ...note, ackWithinMs: 60_000 } });
    office().clock.advance(90_000);
    await office().log.deadlines.fireDue();
    await office().fanOut();
    const overdue = async () =>
      (await blue.inbox({ query: { ackOverdue: "true" } })).messages.length;
    expect([await overdue(), (await red.inbox()).messages]).toEqual([0, []]);
    for (let again = 0; again < 2; again += 1) {
      office().clock.advance(60_000);
      await office().log.deadlines.fireDue();
      expect([await overdue(), (await red.inbox()).messages.length]).toEqual([1, 1]);
    }
  });

  it("shows the sender alone how the message fared with each recipient", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green");
    const { id } = await red.send({ body: { to: ["blue"], bcc: ["green"], ...note } });
    await blue.markRead(read(id));
    await green.ack(read(id));
    expect((await red.receipts(read(id))).receipts).toMatchObject([
      { agent: "blue", kind: "to", readAt: expect.any(String), ackedAt: null },
      { agent: "green", kind: "bcc", readAt: expect.any(String), ackedAt: expect.any(String) },
    ]);
    await expect(blue.receipts(read(id))).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  it("tells in pages by name how it fared with each, skipped or not", async () => {
    const { red } = await office().agents("red", "blue", "green", "gray", "pink");
    await office()
      .user("anna")
      .setPolicy({ params: { name: "gray" }, body: { policy: "closed" } });
    const { id } = await red.send({ body: { to: ["@all"], ...note } });
    await office().fanOut();
    const told: string[][] = [];
    for (let after: string | null | undefined; after !== null;) {
      const query = { limit: 2, ...(after === undefined ? {} : { after }) };
      const page = await red.receipts({ params: { message: id }, query });
      told.push([...page.receipts, ...page.skipped].map(({ agent }) => agent));
      after = page.next;
    }
    expect(told).toEqual([
      ["blue", "gray"],
      ["green", "pink"],
    ]);
  });
}

/** Over restarts before the deadline, between deadline and reminder, and after it. */
async function remindsOnce(driver: Driver): Promise<void> {
  const opened = await openMigrated(driver);
  try {
    let office = openPostOffice(opened);
    const reminders = async (): Promise<number> => {
      await office.log.deadlines.fireDue();
      const sql = "select 1 from events where type = 'ack.overdue'";
      return (await office.db.query(sql)).length;
    };
    const restart = async (): Promise<void> => {
      const { clock } = office;
      office = openPostOffice({ db: await opened.reopen(clock), clock });
    };
    const { red } = await office.agents("red", "blue");
    await red.send({ body: { to: ["blue"], ...note, ackWithinMs: 60_000 } });
    await restart();
    expect(await reminders()).toBe(0);
    office.clock.advance(60_000);
    await restart();
    expect(await reminders()).toBe(1);
    await restart();
    office.clock.advance(3_600_000);
    expect(await reminders()).toBe(1);
  } finally {
    await opened.close();
  }
}

function filters(office: () => PostOffice): void {
  it("selects unread, urgent, of a thread, and overdue", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const to = ["blue"];
    await red.send({ body: { to, ...note, importance: "urgent" } });
    await red.send({ body: { to, ...note, thread: "plan", ackWithinMs: 60_000 } });
    await red.send({ body: { to, ...note, thread: "plan", importance: "high" } });
    await blue.markRead(read("1"));
    office().clock.advance(60_000);
    const seqs = async (query: Record<string, string>) => {
      const page = await blue.inbox({ query: { ...query, after: 0 } });
      return [page.messages.map(({ seq }) => seq), page.next];
    };
    expect(await seqs({ unread: "true" })).toEqual([[2, 3], 3]);
    expect(await seqs({ urgent: "true" })).toEqual([[1, 3], 3]);
    expect(await seqs({ urgent: "true", unread: "true" })).toEqual([[3], 3]);
    expect(await seqs({ thread: "plan" })).toEqual([[2, 3], 3]);
    expect(await seqs({ ackOverdue: "true" })).toEqual([[2], 3]);
    await blue.ack(read("2"));
    expect(await seqs({ ackOverdue: "true" })).toEqual([[], 3]);
  });

  it("selects of a thread, short or long, what stands in the whole inbox", async () => {
    const { red, blue } = await office().agents("red", "blue", "gray");
    const kinds = [{}, { importance: "high" as const }, { ackWithinMs: 60_000 }];
    await red.send({ body: { to: ["@all"], ...note, thread: "short" } });
    for (let i = 0; i < 30; i += 1) {
      const thread = i % 7 === 0 ? "short" : i % 3 === 0 ? "other" : "long";
      const to = i % 4 === 1 ? ["gray"] : ["blue"];
      await red.send({ body: { to, ...note, thread, ...kinds[i % 3] } });
    }
    await office().fanOut();
    for (const seq of ["2", "5", "11"]) await blue.markRead(read(seq));
    office().clock.advance(60_000);
    const seqs = async (query: object, limit: number) =>
      (await blue.inbox({ query: { ...query, limit } })).messages;
    for (const only of [{}, { unread: "true" }, { urgent: "true" }, { ackOverdue: "true" }])
      for (const from of [{}, { after: 0 }, { after: 9 }, { after: 20 }])
        for (const thread of ["short", "long", "none"]) {
          const all = await seqs({ ...only, ...from }, 500);
          const wanted = all.filter((one) => one.thread === thread);
          const first = "after" in from ? wanted.slice(0, 2) : wanted.slice(-2);
          expect(await seqs({ ...only, ...from, thread }, 500)).toEqual(wanted);
          expect(await seqs({ ...only, ...from, thread }, 2)).toEqual(first);
        }
  });

  it("leaves expired messages out of the inbox, and keeps their place", async () => {
    const { red, blue } = await office().agents("red", "blue");
    await red.send({ body: { to: ["blue"], ...note, expiresAfterMs: 60_000 } });
    await red.send({ body: { to: ["blue"], ...note } });
    office().clock.advance(60_000);
    const { messages } = await blue.inbox();
    expect(messages.map(({ seq }) => seq)).toEqual([2]);
  });
}

function attachments(office: () => PostOffice): void {
  const bytes = (text: string) => Buffer.from(text, "latin1");
  const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

  it("stores a file by its content, with the type that the content has", async () => {
    const { red } = await office().agents("red");
    const type = async (content: Buffer) => (await red.putAttachment({ content })).type;
    expect(await type(bytes("\x89PNG\r\n\x1a\n..."))).toBe("image/png");
    expect(await type(bytes("<script>alert(1)</script>"))).toBe("text/plain");
    expect(await type(bytes("\x00\x01"))).toBe("application/octet-stream");
    const content = bytes("same");
    expect(await red.putAttachment({ content })).toEqual(await red.putAttachment({ content }));
    const stored = await office().db.query(
      "select 1 from events where type = 'attachment.uploaded'",
    );
    expect(stored).toHaveLength(4);
  });

  it("gives a file to those who see a message that carries it", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green");
    const content = bytes("numbers");
    const file = { sha256: sha256(content), name: "run.csv" };
    const body = { to: ["blue"], ...note, attachments: [file] };
    await expect(red.send({ body })).rejects.toMatchObject({ code: "NOT_FOUND" });
    await red.putAttachment({ content });
    await expect(green.send({ body })).rejects.toMatchObject({ code: "NOT_FOUND" });
    const { id } = await red.send({ body });
    expect((await blue.message(read(id))).attachments).toEqual([
      { ...file, size: 7, type: "text/plain" },
    ]);
    const fetched = await blue.attachment({ params: { sha256: file.sha256 } });
    expect(Buffer.from(fetched.content).toString()).toBe("numbers");
    const hidden = green.attachment({ params: { sha256: file.sha256 } });
    await expect(hidden).rejects.toMatchObject({ code: "NOT_FOUND" });
    await blue.send({ body: { ...body, to: ["green"] } });
    expect(await green.attachment({ params: { sha256: file.sha256 } })).toMatchObject({
      type: "text/plain",
    });
  });

  it.each([".", "..", "a/b", "a\\b", "a\0b", "a\ud800b"])(
    "refuses a file by the name %j, by which it could not be saved",
    async (name) => {
      const { red } = await office().agents("red", "blue");
      const { sha256 } = await red.putAttachment({ content: bytes("x") });
      const send = (as: string) =>
        red.send({ body: { to: ["blue"], ...note, attachments: [{ sha256, name: as }] } });
      await expect(send(name)).rejects.toThrow("must be a file name without folders");
      await send(".env...");
    },
  );

  it("refuses a file over 10 MiB", async () => {
    const { red } = await office().agents("red");
    const content = Buffer.alloc(10 * 1_048_576 + 1);
    await expect(red.putAttachment({ content })).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
  });
}
