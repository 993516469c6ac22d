import { afterEach, describe, expect, it } from "vitest";
import { askedThread } from "../../runtime/asked-thread.ts";

describe("a thread that is asked", () => {
  const open = () =>
    askedThread<string, string>(new URL("fixtures/answering.ts", import.meta.url), "data");
  let thread = open();
  afterEach(async () => {
    await thread.close();
    thread = open();
  });

  it("answers in order, and says why it has no answer", async () => {
    const answers = ["a", "bad", "b"].map((question) => thread.ask(question));
    expect(await Promise.allSettled(answers)).toMatchObject([
      { value: "data a 1" },
      { reason: { message: "no answer to bad" } },
      { value: "data b 2" },
    ]);
  });

  it("fails all that it was asked when it dies, and starts anew with the next question", async () => {
    await thread.ask("a");
    const lost = [thread.ask("die"), thread.ask("b")];
    for (const one of lost) await expect(one).rejects.toThrow("the thread is broken");
    await expect.poll(() => thread.ask("c").catch(() => "dying")).toBe("data c 1");
  });

  it("answers what it was asked before it is closed, and nothing afterwards", async () => {
    const answer = thread.ask("a");
    await thread.close();
    expect(await answer).toBe("data a 1");
    await expect(thread.ask("b")).rejects.toThrow("has ended");
  });
});
