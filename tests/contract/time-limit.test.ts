import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, UnreachableError } from "../../contract/client.ts";
import { timeLimit } from "../../contract/time-limit.ts";
import { collectGarbage } from "../support/garbage.ts";

describe("a time limit", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("fires when the time is up, or with the first of the other signals and its reason", () => {
    const other = new AbortController();
    const late = timeLimit(1_000, other.signal);
    const early = timeLimit(2_000, new AbortController().signal, other.signal);
    vi.advanceTimersByTime(999);
    expect(late.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(late.signal.reason).toMatchObject({ name: "TimeoutError" });
    other.abort("enough");
    expect([early.signal.aborted, early.signal.reason]).toEqual([true, "enough"]);
    const ended = timeLimit(1_000, other.signal);
    expect([ended.signal.aborted, ended.signal.reason]).toEqual([true, "enough"]);
    for (const limit of [late, early, ended]) limit.end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("never fires once it has ended", () => {
    const other = new AbortController();
    const limit = timeLimit(1_000, other.signal);
    limit.end();
    other.abort();
    vi.advanceTimersByTime(5_000);
    expect(limit.signal.aborted).toBe(false);
  });
});

it("a call ends in time when no answer comes, whatever is collected as garbage meanwhile", async () => {
  const client = createClient({
    url: "http://127.0.0.1:1",
    exchange: async ({ signal }) => {
      await once(signal, "abort");
      throw signal.reason;
    },
  });
  const { signal } = new AbortController();
  const call = client.cells.claim({ body: {} }, { timeoutMs: 300, signal });
  const failed = call.catch((error: unknown) => error);
  await collectGarbage();
  const error = await failed;
  expect(error).toBeInstanceOf(UnreachableError);
  expect(String(error)).toContain("no answer in time");
});
