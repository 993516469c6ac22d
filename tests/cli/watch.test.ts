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

  it("goes on with the oldest unread message of an inbox that begins anew", async () => {
    const saved: number[] = [];
    const handled: number[] = [];
    const api = (name: string, { query }: { query: { after?: number } }): Promise<unknown> => {
      if (!name.includes("/inbox")) return Promise.resolve({ id: "m" });
      const { after = 0 } = query;
      if (after > 2)
        throw new ProblemError("BAD_REQUEST", "ahead", { details: [{ after, head: 2 }] });
      const messages = [1, 2].filter((seq) => seq > after).map((seq) => ({ seq }));
      return Promise.resolve({ messages, next: 2 });
    };
    const watching = watchInbox({
      api: ((...call: Parameters<typeof api>) =>
        Promise.resolve(call).then((to) => api(...to))) as unknown as Api,
      project: "default",
      cursor: {
        load: () => Promise.resolve(50),
        save: (seq) => Promise.resolve(void saved.push(seq)),
      },
      fromNow: false,
      handle: ({ seq }) => {
        handled.push(seq);
        return seq === 2 ? Promise.reject(new Error("seen")) : Promise.resolve(true);
      },
      note: () => undefined,
    });
    await expect(watching).rejects.toThrow("seen");
    expect([saved, handled]).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it("hands on what comes while it looks where to start", async () => {
    const handled: number[] = [];
    let arrived = 0;
    // A message comes between the first two calls.
    const answer = (name: string, { query }: { query: { after?: number } }): unknown => {
      if (!name.includes("/inbox")) return { id: "m" };
      if (query.after === 1) throw new Error("it was passed over");
      const messages = [1].filter((seq) => seq <= arrived && seq > (query.after ?? 0));
      const next = arrived;
      arrived = 1;
      return { messages: messages.map((seq) => ({ seq })), next };
    };
    const watching = watchInbox({
      api: ((...call: Parameters<typeof answer>) =>
        Promise.resolve().then(() => answer(...call))) as unknown as Api,
      project: "default",
      cursor: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
      fromNow: false,
      handle: ({ seq }) => {
        handled.push(seq);
        return Promise.reject(new Error("seen"));
      },
      note: () => undefined,
    });
    await expect(watching).rejects.toThrow("seen");
    expect(handled).toEqual([1]);
  });

  it("passes over what expires while it handles another, and while a command fails for it", async () => {
    const inbox = new Set([1, 2, 3, 4]);
    const tried: number[] = [];
    const answer = (name: string, { query }: { query: { after?: number } }): unknown => {
      if (!name.includes("/inbox")) return { id: "m" };
      const { after = 0 } = query;
      return { messages: [...inbox].filter((seq) => seq > after).map((seq) => ({ seq })), next: 4 };
    };
    const watching = watchInbox({
      api: ((...call: Parameters<typeof answer>) =>
        Promise.resolve().then(() => answer(...call))) as unknown as Api,
      project: "default",
      cursor: { load: () => Promise.resolve(0), save: () => Promise.resolve() },
      fromNow: false,
      handle: ({ seq }) => {
        tried.push(seq);
        if (seq === 4 || tried.length > 3) return Promise.reject(new Error("seen"));
        inbox.delete(seq === 1 ? 2 : seq);
        return Promise.resolve(seq === 1);
      },
      note: () => undefined,
    });
    await expect(watching).rejects.toThrow("seen");
    expect(tried).toEqual([1, 3, 4]);
  });

  it("ends when there is nothing to wait for", async () => {
    expect(await watched("NOT_FOUND")).toEqual({ handled: [], notes: [] });
  });
});
