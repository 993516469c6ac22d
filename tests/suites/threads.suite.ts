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
    const page = await red.thread({ params: { thread: "a" }, query: { limit: 1 } });
    const rest = await red.thread({ params: { thread: "a" }, query: { after: page.next ?? "" } });
    expect([page.messages.length, rest.messages.length, rest.next]).toEqual([1, 1, null]);
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
}
