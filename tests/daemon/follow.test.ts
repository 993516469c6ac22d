import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { AttemptParts } from "../../daemon/execution.ts";
import { followExecution } from "../../daemon/follow.ts";
import type { StopReason } from "../../daemon/spool-rows.ts";
import { TestClock } from "../support/clock.ts";

const cancelled: StopReason = { outcome: "cancelled", message: "its run was cancelled" };

/** An execution that ends when it is stopped, or by itself with `ends`; the server asks for its end with `ask`. */
function execution() {
  let reason: StopReason | null = null;
  let ends = (): void => undefined;
  const ended = new Promise<void>((resolve) => (ends = resolve));
  const asked = new AbortController();
  const parts = {
    node: {
      clock: new TestClock(),
      log: pino({ level: "silent" }),
      detach: new AbortController().signal,
      engines: { answered: (_: AbortSignal, call: () => Promise<unknown>) => call() },
      disk: { look: () => Promise.resolve(), exhausted: null },
      spool: { executions: () => [] },
      contact: { stopAt: () => Number.POSITIVE_INFINITY },
      stops: {
        signal: () => asked.signal,
        request: (_: string, why: StopReason) => (reason = why),
      },
    },
    run: {
      attempt: { id: "a" },
      phases: { run: { timeout: 1_000 }, stop: { timeout: 10 } },
      lostAfterMs: 600_000,
    },
    launcher: {
      wait: () => ended,
      stop: () => Promise.resolve(ends()),
      logs: async function* () {
        await ended;
        await new Promise(setImmediate);
        lastWords();
        yield* [];
      },
    },
    stopReason: () => reason,
  };
  const ask = (): void => {
    reason = cancelled;
    asked.abort();
  };
  let lastWords = (): void => undefined;
  const follow = (lastedMs: number | null = null) =>
    followExecution(parts as unknown as AttemptParts, {
      id: "a",
      n: 1,
      log: { position: { stdout: 0, stderr: 0 } } as never,
      lastedMs,
    });
  return { ask, ends, follow, whileItsLogIsRead: (act: () => void) => (lastWords = act) };
}

describe("the end of an execution", () => {
  it("is what was asked for before it", async () => {
    const { ask, follow } = execution();
    const following = follow();
    ask();
    expect(await following).toEqual(cancelled);
  });

  it("is its own when it was asked for afterwards", async () => {
    const { ask, ends, follow, whileItsLogIsRead } = execution();
    const following = follow();
    whileItsLogIsRead(ask);
    ends();
    expect(await following).toBeNull();
  });

  it("came too late when it had lasted too long, though nobody was there to stop it", async () => {
    const { ends, follow } = execution();
    ends();
    expect(await follow(1_001)).toMatchObject({ outcome: "timed_out" });
  });
});
