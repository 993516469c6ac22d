import { describe, expect, it } from "vitest";
import type { Api } from "../../agent-cli/api.ts";
import { watchInbox } from "../../agent-cli/watch-inbox.ts";
import { ProblemError, type ProblemCode } from "../../contract/problem-error.ts";

/** Watches an inbox with the message 1 whose server refuses the first call, until that message is handed over. */
async function watched(refusal: ProblemCode): Promise<{ handled: number[]; notes: string[] }> {
  const handled: number[] = [];
  const notes: string[] = [];
  let refuse = true;
  const answer = (name: string): unknown => {
    if (refuse) {
      refuse = false;
      throw new ProblemError(refusal, "not now");
    }
    return name.includes("/inbox") ? { messages: [{ seq: 1 }], next: 1 } : { id: "m1" };
  };
  const watching = watchInbox({
    api: ((name: string) => Promise.resolve(name).then(answer)) as unknown as Api,
    project: "default",
    cursor: { load: () => Promise.resolve(0), save: () => Promise.reject(new Error("seen")) },
    fromNow: false,
    handle: ({ seq }) => Promise.resolve(handled.push(seq) > 0),
    note: (line) => notes.push(line),
  });
  await expect(watching).rejects.toThrow(refusal === "NOT_FOUND" ? "not now" : "seen");
  return { handled, notes };
}

describe("a watch", () => {
  it.each(["UNAVAILABLE", "RATE_LIMITED", "INTERNAL"] as const)(
    "outlives a server that answers %s",
    async (code) => {
      expect(await watched(code)).toEqual({
        handled: [1],
        notes: ["not now; trying again in 1 s"],
      });
    },
  );

  it("ends when there is nothing to wait for", async () => {
    expect(await watched("NOT_FOUND")).toEqual({ handled: [], notes: [] });
  });
});
