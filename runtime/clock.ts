import { uptime } from "node:os";

/** Where a process gets its time from. Injected, so that tests move time instead of waiting for it. */
export interface Clock {
  /** The wall clock: milliseconds since the epoch; may jump in both directions. */
  now(): number;
  /** Milliseconds since an arbitrary start; never runs backwards. */
  monotonic(): number;
}

const LOOK_EVERY_MS = 1_000;
/** The two clocks are read one after the other, and time since the boot in steps of 10 ms. */
const NO_SLEEP_MS = 1_000;

/**
 * Monotonic time that goes on while the machine sleeps. `performance.now()` of Node 20 stands still meanwhile on Linux
 * (CLOCK_MONOTONIC); the time since the boot does not, but reading it takes a hundred times as long. So a sleep is
 * noticed within a second.
 * @param awake milliseconds without sleep
 * @param sinceBoot milliseconds with it
 */
export function throughSleep(awake: () => number, sinceBoot: () => number): () => number {
  const start = sinceBoot() - awake();
  let slept = 0;
  let nextLook = awake() + LOOK_EVERY_MS;
  return () => {
    const now = awake();
    if (now >= nextLook) {
      nextLook = now + LOOK_EVERY_MS;
      const all = sinceBoot() - now - start;
      if (all - slept > NO_SLEEP_MS) slept = all;
    }
    return now + slept;
  };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: throughSleep(
    () => performance.now(),
    () => uptime() * 1_000,
  ),
};
