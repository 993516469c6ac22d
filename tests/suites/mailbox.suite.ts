import { describe, expect, it } from "vitest";
import type { Driver } from "../support/drivers.ts";
import { type PostOffice, usePostOffice } from "../support/post-office.ts";

/** What the mailbox does on every driver. */
export function mailboxSuite(driver: Driver): void {
  describe(`mailbox on ${driver.name}`, () => {
    const office = usePostOffice(driver);
    describe("sending", () => sending(office));
    describe("inbox", () => inbox(office));
  });
}

const note = { subject: "build", body: "done" };
const read = (message: string) => ({ params: { message } });

function sending(office: () => PostOffice): void {
  it("delivers to every named recipient once, the first of to, cc and bcc", async () => {
    const { red, blue } = await office().agents("red", "blue", "green", "gray");
    const body = { to: ["BLUE", "green"], cc: ["green", "gray"], bcc: ["blue"], ...note };
    const sent = await red.send({ body });
    expect(sent.recipients).toEqual([
      { agent: "blue", seq: 1 },
      { agent: "gray", seq: 1 },
      { agent: "green", seq: 1 },
    ]);
    expect(sent.thread).toBe(sent.id);
    expect(await blue.message(read("1"))).toMatchObject({
      id: sent.id,
      from: "red",
      to: ["blue", "green"],
    });
  });

  it("shows a bcc to the sender and to itself only", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green");
    const { id } = await red.send({ body: { to: ["blue"], bcc: ["green"], ...note } });
    expect((await red.message(read(id))).bcc).toEqual(["green"]);
    expect((await blue.message(read(id))).bcc).toBeUndefined();
    const hidden = await green.message(read(id));
    expect(hidden).toMatchObject({ to: ["blue"], seq: 1 });
    expect(hidden.bcc).toBeUndefined();
  });

  it("names every unknown recipient, with suggestions, and sends nothing", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const body = { to: ["bleu"], cc: ["blue", "nobody-at-all"], ...note };
    await expect(red.send({ body })).rejects.toMatchObject({
      code: "AGENT_NOT_FOUND",
      message: expect.stringContaining('did you mean "blue"'),
      details: [{ agent: "bleu" }, { agent: "nobody-at-all" }],
    });
    expect((await blue.inbox()).messages).toEqual([]);
  });

  it("makes no second message when a send is repeated with its key", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const body = { to: ["blue"], ...note };
    const first = await red.send({ body }, { key: "k1" });
    expect(await red.send({ body }, { key: "k1" })).toEqual(first);
    const other = red.send({ body: { ...body, body: "x" } }, { key: "k1" });
    await expect(other).rejects.toMatchObject({ code: "IDEMPOTENCY_MISMATCH" });
    expect((await blue.inbox()).messages).toHaveLength(1);
  });

  it("replies to the sender, and with all to the others but never to a bcc", async () => {
    const { red, blue, green } = await office().agents("red", "blue", "green", "gray", "pink");
    const body = { to: ["blue", "green"], cc: ["gray"], bcc: ["pink"], ...note };
    const { id } = await red.send({ body: { ...body, importance: "high", ackRequired: true } });
    const one = await blue.reply({ ...read(id), body: { body: "ok" } });
    expect(one.recipients).toEqual([{ agent: "red", seq: 1 }]);
    const all = await green.reply({ ...read("1"), body: { body: "ok", all: true } });
    expect(all.recipients.map(({ agent }) => agent)).toEqual(["blue", "gray", "red"]);
    expect(await red.message(read("2"))).toMatchObject({
      subject: "Re: build",
      thread: id,
      replyTo: id,
      to: ["red", "blue"],
      cc: ["gray"],
      importance: "high",
      ackRequired: true,
    });
  });

  it("sends a reply to one's own message to its recipients", async () => {
    const { red } = await office().agents("red", "blue", "green");
    const { id } = await red.send({ body: { to: ["blue"], cc: ["green"], ...note } });
    const more = await red.reply({ ...read(id), body: { body: "and" } });
    expect(more.recipients.map(({ agent }) => agent)).toEqual(["blue"]);
  });

  it("keeps the subject of a reply within what a subject may have", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const { id } = await red.send({ body: { to: ["blue"], subject: `${"x".repeat(195)}🦊 yz` } });
    const { id: reply } = await blue.reply({ ...read(id), body: { body: "ok" } });
    expect((await red.message(read(reply))).subject).toBe(`Re: ${"x".repeat(195)}`);
  });

  it("leaves those out of a reply whom mail can no longer reach, and is refused when these are all", async () => {
    const { red, blue } = await office().agents("red", "blue", "green");
    const anna = office().user("anna");
    const { id } = await red.send({ body: { to: ["blue", "green"], ...note } });
    await anna.retireAgent({ params: { name: "green" } });
    const green = { agent: "green", reason: "retired" };
    expect(await red.reply({ ...read(id), body: { body: "more" } })).toMatchObject({
      recipients: [{ agent: "blue" }],
      skipped: [green],
    });
    await anna.unretireAgent({ params: { name: "green" } });
    await anna.retireAgent({ params: { name: "red" } });
    const all = { ...read(id), body: { body: "who takes over?", all: true } };
    expect(await blue.reply(all)).toMatchObject({
      recipients: [{ agent: "green" }],
      skipped: [{ agent: "red", reason: "retired" }],
    });
    const gone = { code: "AGENT_RETIRED", details: [{ agent: "red" }] };
    await expect(blue.reply({ ...read(id), body: { body: "?" } })).rejects.toMatchObject(gone);
    const named = { ...all, body: { ...all.body, cc: ["RED"] } };
    await expect(blue.reply(named)).rejects.toMatchObject(gone);
    await anna.retireAgent({ params: { name: "green" } });
    await expect(blue.reply(all)).rejects.toMatchObject({ code: "AGENT_RETIRED" });
  });

  it("sends a reply to whom it names instead of the sender, and to its bcc unseen", async () => {
    const { red, blue, green, pink } = await office().agents(
      "red",
      "blue",
      "green",
      "gray",
      "pink",
    );
    const { id } = await red.send({ body: { to: ["blue"], cc: ["gray"], ...note } });
    const body = { body: "for you", to: ["green"], bcc: ["pink"] };
    const sent = await blue.reply({ ...read(id), body });
    expect(sent.recipients.map(({ agent }) => agent)).toEqual(["green", "pink"]);
    const seen = await green.message(read("1"));
    expect(seen).toMatchObject({ thread: id, replyTo: id, subject: "Re: build", to: ["green"] });
    expect(seen.bcc).toBeUndefined();
    expect((await pink.inbox()).messages).toMatchObject([{ id: sent.id }]);
    const all = await blue.reply({ ...read(id), body: { ...body, all: true } });
    expect(all.recipients.map(({ agent }) => agent)).toEqual(["gray", "green", "pink"]);
  });

  it("answers the same to a reply to an invisible message as to a missing one", async () => {
    const { red, gray } = await office().agents("red", "blue", "gray");
    const { id } = await red.send({ body: { to: ["blue"], ...note } });
    const missing = "01900000-0000-7000-8000-000000000000";
    const answer = (message: string) =>
      gray.reply({ ...read(message), body: { body: "?" } }).catch((error: Error) => error.message);
    expect((await answer(id)) as string).toBe(
      ((await answer(missing)) as string).replace(missing, id),
    );
  });

  it.each([
    ["a subject of two lines", { subject: "a\nb" }],
    ["a subject of 201 characters", { subject: "x".repeat(201) }],
    ["a NUL in the body", { body: "a\0b" }],
    ["a lone surrogate", { body: "a\ud800b" }],
    ["a body over 1 MiB", { body: "é".repeat(524_289) }],
    ["an unknown importance", { importance: "hot" }],
    ["10,000 recipients", { to: Array.from({ length: 10_000 }, (_, i) => `a${i}`) }],
    ["a reserved thread id", { thread: "follow" }],
  ])("refuses %s", async (_what, change) => {
    const { red } = await office().agents("red", "blue");
    const body = { to: ["blue"], ...note, ...(change as object) };
    await expect(red.send({ body })).rejects.toThrow();
  });

  it("has no mail for a user, and none for an agent of another project", async () => {
    await office().agents("red");
    await expect(office().user("anna").inbox()).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(office().agent("red", "other").inbox()).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });
}

function inbox(office: () => PostOffice): void {
  async function filled(count: number) {
    const { red, blue } = await office().agents("red", "blue");
    for (let i = 1; i <= count; i += 1)
      await red.send({ body: { to: ["blue"], subject: `n${i}` } });
    return blue;
  }
  const seqs = ({ messages }: { messages: { seq: number }[] }) => messages.map(({ seq }) => seq);

  it("gives the newest, ascending, without after, and pages forward with it", async () => {
    const blue = await filled(5);
    const newest = await blue.inbox({ query: { limit: 2 } });
    expect([seqs(newest), newest.next, newest.more]).toEqual([[4, 5], 5, true]);
    const first = await blue.inbox({ query: { after: 0, limit: 3 } });
    expect([seqs(first), first.next, first.more]).toEqual([[1, 2, 3], 3, true]);
    const second = await blue.inbox({ query: { after: first.next, limit: 3 } });
    expect([seqs(second), second.next, second.more]).toEqual([[4, 5], 5, false]);
    expect(await blue.inbox({ query: { after: 5 } })).toEqual({
      messages: [],
      next: 5,
      more: false,
    });
  });

  it("says whether it left older messages out, without after", async () => {
    const blue = await filled(5);
    expect(await blue.inbox({ query: { limit: 5 } })).toMatchObject({ next: 5, more: false });
    await blue.markRead(read("5"));
    const unread = await blue.inbox({ query: { limit: 3, unread: "true" } });
    expect([seqs(unread), unread.next, unread.more]).toEqual([[2, 3, 4], 5, true]);
  });

  it("consumes nothing; read and ack are explicit and their first time wins", async () => {
    const blue = await filled(2);
    await blue.inbox();
    const first = await blue.markRead(read("1"));
    office().clock.advance(60_000);
    expect((await blue.markRead(read("1"))).readAt).toBe(first.readAt);
    const acked = await blue.ack(read("1"));
    expect(acked.readAt).toBe(first.readAt);
    office().clock.advance(60_000);
    expect(await blue.ack(read("1"))).toEqual(acked);
    const unread = await blue.inbox({ query: { unread: "true" } });
    expect([seqs(unread), unread.next]).toEqual([[2], 2]);
    const { readAt, ackedAt } = await blue.ack(read("2"));
    expect(readAt).toBe(ackedAt);
  });

  it("does not let a sender acknowledge its own message", async () => {
    const { red } = await office().agents("red", "blue");
    const { id } = await red.send({ body: { to: ["blue"], ...note } });
    await expect(red.ack(read(id))).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("refuses a cursor that is ahead of the inbox", async () => {
    const blue = await filled(1);
    await expect(blue.inbox({ query: { after: 7 } })).rejects.toMatchObject({
      code: "BAD_REQUEST",
      details: [{ after: 7, head: 1 }],
    });
  });

  it("gives the oldest that came at a time or later, by when each came and not by when it was sent", async () => {
    const { red, blue } = await office().agents("red", "blue");
    await red.send({ body: { to: ["blue"], subject: "before" } });
    office().clock.advance(1_000);
    await red.send({ body: { to: ["@all"], subject: "late" } });
    office().clock.advance(1_000);
    const since = new Date(office().clock.now()).toISOString();
    for (let i = 1; i <= 3; i += 1) await red.send({ body: { to: ["blue"], subject: `n${i}` } });
    office().clock.advance(1_000);
    await office().fanOut();
    await blue.markRead(read("3"));

    const first = await blue.inbox({ query: { since, limit: 2 } });
    expect([seqs(first), first.next, first.more]).toEqual([[2, 3], 3, true]);
    const second = await blue.inbox({ query: { since, after: first.next } });
    expect(second.messages.map(({ subject }) => subject)).toEqual(["n3", "late"]);
    const unread = await blue.inbox({ query: { since, unread: "true" } });
    expect(seqs(unread)).toEqual([2, 4, 5]);
    const future = new Date(office().clock.now() + 1).toISOString();
    expect(await blue.inbox({ query: { since: future } })).toMatchObject({ messages: [], next: 5 });
  });

  it("wakes a waiting reader when mail comes, and answers an empty page when none does", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const waiting = blue.inbox({ query: { after: 0, wait: 60_000 } });
    await red.send({ body: { to: ["blue"], ...note } });
    expect(seqs(await waiting)).toEqual([1]);
    expect(await blue.inbox({ query: { after: 1, wait: 20 } })).toMatchObject({
      messages: [],
      next: 1,
    });
  });

  it("ends the wait when the caller goes away", async () => {
    const { blue } = await office().agents("blue");
    const gone = new AbortController();
    const waiting = blue.inbox({ query: { wait: 60_000 } }, { signal: gone.signal });
    gone.abort();
    expect((await waiting).messages).toEqual([]);
  });
}
