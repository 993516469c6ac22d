import { EventEmitter, getEventListeners, once } from "node:events";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AttemptParts } from "../../daemon/execution.ts";
import { followExecution } from "../../daemon/follow.ts";
import { EngineGoneError, type LogChunk, type LogsOptions } from "../../daemon/launcher.ts";
import { DetachedError } from "../../daemon/node.ts";
import type { StopReason } from "../../daemon/spool-rows.ts";
import { TestClock } from "../support/clock.ts";

const cancelled: StopReason = { outcome: "cancelled", message: "its run was cancelled" };

/** An execution that ends when it is stopped, or by itself with `ends`; the server asks for its end with `ask`. */
function execution() {
  let reason: StopReason | null = null;
  let full = false;
  let ends = (): void => undefined;
  const ended = new Promise<void>((resolve) => (ends = resolve));
  const asked = new AbortController();
  const handOff = new AbortController();
  const clock = new TestClock();
  const engine = makeEngine();
  const parts = {
    node: {
      clock,
      log: pino({ level: "silent" }),
      detach: handOff.signal,
      engines: { answered: engine.answered },
      disk: { look: () => Promise.resolve(), exhausted: null },
      spool: { executions: () => [] },
      contact: { stopAt: () => Number.POSITIVE_INFINITY },
      stops: {
        signal: () => asked.signal,
        request: (_: string, why: StopReason) => {
          if (full) throw new Error("database or disk is full");
          reason = why;
        },
      },
    },
    run: {
      attempt: { id: "a" },
      phases: { run: { timeout: 60_000, silence: 2_000 }, stop: { timeout: 10 } },
      lostAfterMs: 600_000,
    },
    launcher: {
      inspect: () => engine.ask(),
      wait: () => ended,
      stop: () => Promise.resolve(ends()),
      logs: async function* (_: string, { signal }: LogsOptions): AsyncGenerator<LogChunk> {
        yield* printed(signal);
        await engine.ask();
        await Promise.race([ended, engine.dies()]);
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
  let printed: (signal: AbortSignal) => AsyncGenerator<LogChunk> = async function* () {};
  const prints = (chunks: typeof printed) => (printed = chunks);
  const follow = (lastedMs: number | null = null) =>
    followExecution(parts as unknown as AttemptParts, {
      id: "a",
      n: 1,
      log: { position: { stdout: 0, stderr: 0 }, push: () => undefined } as never,
      lastedMs,
    });
  const fillDisk = (): void => void (full = true);
  const whileItsLogIsRead = (act: () => void) => (lastWords = act);
  return {
    ask,
    ends,
    fillDisk,
    follow,
    handOff,
    prints,
    whileItsLogIsRead,
    clock,
    engine,
    told: () => reason,
  };
}

/** An engine that goes away, and its log streams with it or without a word, and comes back. */
function makeEngine() {
  const gone = new EngineGoneError("test", new Error("away"));
  const news = new EventEmitter();
  let answers = true;
  return {
    ask: () => (answers ? Promise.resolve(null) : Promise.reject(gone)),
    dies: () => once(news, "death").then(() => Promise.reject(gone)),
    answered: async (signal: AbortSignal, call: () => Promise<unknown>) => {
      for (;;) {
        try {
          return await call();
        } catch {
          await once(news, "return", { signal });
        }
      }
    },
    hang: () => void (answers = false),
    die: () => {
      answers = false;
      news.emit("death");
    },
    comeBack: () => {
      answers = true;
      news.emit("return");
    },
  };
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

  it("comes when a limit is passed, also when the disk has no room to say why", async () => {
    const { fillDisk, follow } = execution();
    fillDisk();
    expect(await follow(60_001)).toMatchObject({ outcome: "timed_out" });
  });

  it("is for the next life to judge when the daemon hands off before its log was read to the end", async () => {
    const { ends, follow, handOff, prints } = execution();
    prints(async function* (signal) {
      ends();
      await once(signal, "abort");
      yield* [];
    });
    const following = follow();
    setImmediate(() => handOff.abort());
    await expect(following).rejects.toThrow(DetachedError);
  });

  it("came too late when it had lasted too long, though nobody was there to stop it", async () => {
    const { ends, follow } = execution();
    ends();
    expect(await follow(60_001)).toMatchObject({ outcome: "timed_out" });
  });
});

it("an execution that is followed for long leaves nothing behind on the daemon's signals", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const any = vi.spyOn(AbortSignal, "any");
  const { ends, follow, handOff } = execution();
  const following = follow();
  await vi.advanceTimersByTimeAsync(10_000);
  ends();
  await vi.advanceTimersByTimeAsync(1_000);
  await following;
  // What it makes stays on a signal that lives long.
  expect(any).not.toHaveBeenCalled();
  expect(getEventListeners(handOff.signal, "abort")).toEqual([]);
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("a flood of output that is read more slowly than it is printed", () => {
  const GIB = 2 ** 30;
  /** What is read of a log that has no end. */
  const flood = (waiting: number) =>
    async function* (): AsyncGenerator<LogChunk> {
      for (;;) {
        yield { stream: "stdout", bytes: Buffer.alloc(1), waiting };
        await new Promise(setImmediate);
      }
    };

  it("ends the execution, and what waits is not read", async () => {
    const { follow, prints } = execution();
    prints(flood(GIB + 1));
    expect(await follow()).toEqual({ outcome: "failed", message: "printed more than 1 GiB" });
  });

  it("is found also when the execution ended at once", async () => {
    const { ends, follow, prints } = execution();
    prints(flood(GIB + 1));
    ends();
    expect(await follow()).toMatchObject({ outcome: "failed" });
  });
});

describe("the silence of an execution", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it.each(["hang", "die"] as const)(
    "is not what an engine does not tell that begins to %s, and counts from its return",
    async (fail) => {
      const { follow, clock, engine, told } = execution();
      const pass = async (ms: number): Promise<void> => {
        clock.advance(ms);
        await vi.advanceTimersByTimeAsync(1_000);
      };
      const following = follow();
      await pass(1_500);
      engine[fail]();
      for (let i = 0; i < 5; i += 1) await pass(10_000);
      expect(told()).toBeNull();
      engine.comeBack();
      await pass(0);
      await pass(1_500);
      expect(told()).toBeNull();
      await pass(1_500);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await following).toMatchObject({ outcome: "silent" });
    },
  );

  it("after its end is no reason to miss its last words, which an engine that was away tells late", async () => {
    const { ends, follow, clock, engine, whileItsLogIsRead } = execution();
    const heard: string[] = [];
    whileItsLogIsRead(() => heard.push("last words"));
    const following = follow().then(() => heard);
    await vi.advanceTimersByTimeAsync(0);
    engine.die();
    await vi.advanceTimersByTimeAsync(1_000);
    ends();
    for (let i = 0; i < 5; i += 1) {
      clock.advance(10_000);
      await vi.advanceTimersByTimeAsync(1_000);
    }
    engine.comeBack();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await following).toEqual(["last words"]);
  });
});
