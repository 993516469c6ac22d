import { describe, expect, it } from "vitest";
import { postAsServer } from "../../mailbox/server-post.ts";
import type { Driver } from "../support/drivers.ts";
import { type PostOffice, usePostOffice } from "../support/post-office.ts";

/** What threads do on every driver. */
export function threadsSuite(driver: Driver): void {
  describe(`threads on ${driver.name}`, () => threads(usePostOffice(driver)));
}

const note = { subject: "build", body: "done" };
const read = (message: string) => ({ params: { message } });

function threads(office: () => PostOffice): void {
  it("keeps a private thread's id from those who are not in it", async () => {
    const { red, blue, gray } = await office().agents("red", "blue", "gray");
    await red.send({ body: { to: ["blue"], thread: "plan", ...note } });
    await blue.send({ body: { to: ["gray"], thread: "plan", ...note, subject: "fyi" } });
    const other = office().agent("pink");
    await office().agents("pink");
    const taken = other.send({ body: { to: ["red"], thread: "plan", ...note } });
    await expect(taken).rejects.toMatchObject({ code: "THREAD_TAKEN" });
    await gray.send({ body: { to: ["red"], thread: "plan", ...note } });
  });

  it("shows each member only what it sees, in order, and the subject that it saw first", async () => {
    const { red, blue, gray } = await office().agents("red", "blue", "gray");
    await red.send({ body: { to: ["blue"], thread: "plan", subject: "secret" } });
    await blue.send({ body: { to: ["gray"], thread: "plan", subject: "fyi" } });
    await blue.send({ body: { to: ["red", "gray"], thread: "plan", subject: "both" } });
    const subjects = async (caller: typeof red) =>
      (await caller.thread({ params: { thread: "plan" } })).messages.map(({ subject }) => subject);
    expect(await subjects(red)).toEqual(["secret", "both"]);
    expect(await subjects(gray)).toEqual(["fyi", "both"]);
    expect(await gray.threads()).toMatchObject({
      threads: [{ thread: "plan", subject: "fyi", open: false, messages: 2 }],
      next: null,
    });
    expect(await subjects(office().user("anna"))).toEqual(["secret", "fyi", "both"]);
    await expect(
      office()
        .user("bert")
        .thread({ params: { thread: "plan" } }),
    ).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("shows an open thread to every reader of the project, and lets them join", async () => {
    const { red, gray } = await office().agents("red", "blue", "gray");
    const { id } = await red.send({ body: { to: ["blue"], thread: "lab", open: true, ...note } });
    expect(await office().user("bert").message(read(id))).toMatchObject({
      body: "done",
      seq: null,
    });
    await gray.send({ body: { to: ["red"], thread: "lab", ...note } });
    expect(await office().user("bert").threads()).toMatchObject({
      threads: [{ thread: "lab", open: true, messages: 2 }],
    });
  });

  it("does not open a thread that began private", async () => {
    const { red } = await office().agents("red", "blue");
    await red.send({ body: { to: ["blue"], thread: "plan", ...note } });
    const opened = red.send({ body: { to: ["blue"], thread: "plan", open: true, ...note } });
    await expect(opened).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("pages through threads newest first and through messages oldest first", async () => {
    const { red } = await office().agents("red", "blue");
    for (const thread of ["a", "b", "c", "a"])
      await red.send({ body: { to: ["blue"], thread, ...note } });
    const first = await red.threads({ query: { limit: 2 } });
    expect(first.threads.map(({ thread }) => thread)).toEqual(["a", "c"]);
    const second = await red.threads({ query: { limit: 2, after: first.next ?? "" } });
    expect(second).toMatchObject({ threads: [{ thread: "b" }], next: null });
    // From any other text the first page would come again and again.
    const strange = red.threads({ query: { after: "a" } });
    await expect(strange).rejects.toMatchObject({ code: "BAD_REQUEST" });
    const page = await red.thread({ params: { thread: "a" }, query: { limit: 1 } });
    const rest = await red.thread({ params: { thread: "a" }, query: { after: page.next ?? "" } });
    expect([page.messages.length, rest.messages.length, rest.next]).toEqual([1, 1, null]);
  });

  it("lists a thread by its newest message, also when an older one to all is delivered last", async () => {
    const { red, blue } = await office().agents("red", "blue");
    await red.send({ body: { to: ["@all"], thread: "news", ...note } });
    await red.send({ body: { to: ["blue"], thread: "plan", ...note } });
    await red.send({ body: { to: ["blue"], thread: "news", ...note } });
    await blue.threads();
    await office().fanOut();
    const { threads } = await blue.threads();
    expect(threads.map(({ thread }) => thread)).toEqual(["news", "plan"]);
  });

  it("takes posts of the server without delivery", async () => {
    const { red } = await office().agents("red");
    const post = { project: "default", thread: "sweep-1", open: true, subject: "run", body: "ok" };
    await office().log.tx([], (tx) => postAsServer(tx, post));
    expect(await red.thread({ params: { thread: "sweep-1" } })).toMatchObject({
      open: true,
      messages: [{ from: "gridpost", subject: "run" }],
    });
    expect((await red.inbox()).messages).toEqual([]);
  });

  it("sums up what the caller sees, and how much of it is unread", async () => {
    const { red, blue } = await office().agents("red", "blue", "gray");
    await red.send({ body: { to: ["blue"], cc: ["gray"], thread: "plan", subject: "one" } });
    await red.send({ body: { to: ["blue"], thread: "plan", subject: "two" } });
    await blue.markRead(read("1"));
    const { summary } = await blue.thread({ params: { thread: "plan" } });
    expect(summary).toMatchObject({ subject: "one", participants: ["blue", "gray", "red"] });
    expect(summary).toMatchObject({ messages: 2, unread: 1, following: null });
    const gray = await office()
      .agent("gray")
      .thread({ params: { thread: "plan" } });
    expect(gray.summary).toMatchObject({ messages: 1, unread: 1 });
  });

  it("does not count as unread what has expired and is in no inbox any more", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const body = { to: ["blue"], thread: "plan", ...note };
    await red.send({ body: { ...body, expiresAfterMs: 60_000 } });
    await red.send({ body });
    const unread = async () => (await blue.thread({ params: { thread: "plan" } })).summary?.unread;
    expect(await unread()).toBe(2);
    office().clock.advance(60_000);
    expect(await unread()).toBe(1);
  });

  it("sums up all of an open thread for every reader of the project", async () => {
    const { red, gray } = await office().agents("red", "blue", "gray");
    const { clock } = office();
    const started = clock.now();
    const say = (subject: string, open: boolean): Promise<unknown> =>
      red.send({ body: { to: ["blue"], thread: "news", subject, ...(open ? { open } : {}) } });
    await say("one", true);
    clock.advance(1_000);
    await say("two", false);
    clock.advance(1_000);
    await say("three", false);
    const { summary } = await gray.thread({ params: { thread: "news" }, query: { limit: 1 } });
    expect(summary).toMatchObject({
      subject: "one",
      participants: ["blue", "red"],
      messages: 3,
      unread: 0,
      firstAt: new Date(started).toISOString(),
      lastAt: new Date(started + 2_000).toISOString(),
    });
  });

  it("digests decisions, tasks, mentions and links, newest first", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const body =
      "DECISION: use bf16\n- [ ] rerun sweep:abcd1234\n```\nTODO: not this\n```\ncc @blue";
    await red.send({ body: { to: ["blue"], thread: "plan", subject: "one", body } });
    const later = "- [x] image built\nBLOCKED on @gray, @blue\n> DECISION: quoted";
    await blue.send({ body: { to: ["red"], thread: "plan", subject: "two", body: later } });
    expect(await red.threadDigest({ params: { thread: "plan" } })).toMatchObject({
      messages: 2,
      truncated: false,
      decisions: [{ from: "red", text: "use bf16" }],
      open: [{ from: "blue", text: "BLOCKED on @gray, @blue" }, { text: "rerun sweep:abcd1234" }],
      done: [{ from: "blue", text: "image built" }],
      mentions: [
        { agent: "blue", count: 2 },
        { agent: "gray", count: 1 },
      ],
      links: ["sweep:abcd1234"],
    });
  });

  it("digests nothing of a block of code, which ends where a fence such as its first one stands alone", async () => {
    const { red } = await office().agents("red", "blue");
    const inside = [
      "````md\nTODO: a\n```\nTODO: b\n```\nTODO: c\n````",
      "~~~\n```\nTODO: d\n~~~",
      "```sh\nTODO: e\n```sh\nTODO: f\n  ```  ",
      "```not a block```",
    ];
    const body = [...inside.map((code, i) => `${code}\nTODO: after ${i}`), "```\nTODO: g"].join(
      "\n",
    );
    await red.send({ body: { to: ["blue"], thread: "plan", subject: "code", body } });
    const { open } = await red.threadDigest({ params: { thread: "plan" } });
    expect(open.map(({ text }) => text)).toEqual(inside.map((_, i) => `TODO: after ${i}`));
  });

  it("tells followers each notice once, or again after its time, and those who mute nothing", async () => {
    const { red, blue } = await office().agents("red", "blue", "gray");
    const thread = { params: { thread: "sweep-1" } };
    const post = (name: string, everyMs?: number) =>
      office().log.tx([], (tx) =>
        postAsServer(tx, {
          project: "default",
          thread: "sweep-1",
          open: true,
          subject: name,
          body: "",
          notice: { name, ...(everyMs === undefined ? {} : { everyMs }) },
        }),
      );
    expect(await post("failure")).toEqual([]);
    await red.followThread({ ...thread, body: { state: "follow" } });
    await blue.followThread({ ...thread, body: { state: "follow" } });
    await blue.followThread({ ...thread, body: { state: "mute" } });
    expect((await red.thread(thread)).summary?.following).toBe("follow");
    expect(await post("failure")).toEqual(["red"]);
    expect(await post("failure")).toEqual([]);
    expect(await post("digest", 900_000)).toEqual(["red"]);
    office().clock.advance(899_999);
    expect(await post("digest", 900_000)).toEqual([]);
    office().clock.advance(1);
    expect(await post("digest", 900_000)).toEqual(["red"]);
    expect(await post("end of 1")).toEqual(["red"]);
    expect(await post("end of 1")).toEqual([]);
    expect(await post("end of 2")).toEqual(["red"]);
    const subjects = async (who: typeof red) =>
      (await who.inbox()).messages.map(({ subject }) => subject);
    expect(await subjects(red)).toEqual(["failure", "digest", "digest", "end of 1", "end of 2"]);
    expect(await subjects(blue)).toEqual([]);
  });

  it("exports what the caller sees as Markdown, in parts", async () => {
    const { red, blue } = await office().agents("red", "blue");
    const html = "<script>alert(1)</script>";
    const payload = { kind: "build.result", data: { note: "```" } };
    await red.send({ body: { to: ["blue"], thread: "plan", subject: "one", body: html, payload } });
    await red.send({ body: { to: ["red"], thread: "plan", subject: "mine" } });
    const part = await blue.exportThread({ params: { thread: "plan" }, query: { limit: 1 } });
    expect(part.markdown).toMatch(
      /^---\nthread: plan\n[^]*## 1\. one\n[^]*<script>alert\(1\)<\/script>/,
    );
    expect(part.markdown).toContain("````json");
    expect(part.next).toBeNull();
    const both = await red.exportThread({ params: { thread: "plan" }, query: { limit: 1 } });
    const rest = await red.exportThread({
      params: { thread: "plan" },
      query: { after: both.next ?? "" },
    });
    expect(rest.markdown).toMatch(/^## 2\. mine/);
  });

  it("tells nobody by numbers or cursors how many messages of the thread are hidden", async () => {
    const { red, blue } = await office().agents("red", "blue", "gray");
    const say = (to: string, subject: string) =>
      red.send({ body: { to: [to], thread: "plan", subject } });
    const first = await say("blue", "one");
    const hidden = await say("gray", "secret");
    await say("blue", "two");
    await say("blue", "three");
    const params = { thread: "plan" };
    const page = await blue.thread({ params, query: { limit: 1 } });
    expect(page.next).toBe(first.id);
    const part = await blue.exportThread({ params, query: { limit: 2 } });
    const rest = await blue.exportThread({ params, query: { after: part.next ?? "" } });
    const headings = (part.markdown + rest.markdown).match(/^## .*/gm);
    expect(headings).toEqual(["## 1. one", "## 2. two", "## 3. three"]);
    // As after a restore, which may have lost the message that a cursor names.
    const beyond = await blue.thread({ params, query: { after: hidden.id } });
    expect(beyond.messages.map(({ subject }) => subject)).toEqual(["two", "three"]);
    for (const after of ["1", "1:", "", "x"])
      for (const read of [blue.thread, blue.exportThread])
        await expect(read({ params, query: { after } })).rejects.toMatchObject({
          code: "BAD_REQUEST",
        });
  });

  it("delivers a post of the server to those named that are agents, and leaves out others", async () => {
    const { red } = await office().agents("red", "blue");
    await office()
      .user("anna")
      .retireAgent({ params: { name: "blue" } });
    const to = ["RED", "blue", "nobody"];
    const post = {
      project: "default",
      thread: "lease-1",
      open: false,
      subject: "gone",
      body: "",
      to,
    };
    await office().log.tx([], (tx) => postAsServer(tx, post));
    expect(await red.message(read("1"))).toMatchObject({ from: "gridpost", to: ["red"] });
    const nobody = red.reply({ ...read("1"), body: { body: "why?" } });
    await expect(nobody).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });
}
