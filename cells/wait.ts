import { timeLimit } from "../contract/time-limit.ts";
import type { Db } from "../storage/db.ts";

export interface WaitOptions {
  /** At most so many milliseconds. */
  readonly ms: number;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** Looks again at most so often, however many commits there are. */
const PAUSE_MS = 100;

/**
 * Long poll: asks `done` now and after commits until it says yes, the time is up, or the caller has gone.
 * Returns in each case; the caller looks for itself.
 */
export async function waitUntil(
  db: Db,
  done: () => Promise<boolean>,
  { ms, signal }: WaitOptions,
): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  const limit = timeLimit(ms, signal);
  const over = limit.signal;
  let wake: () => void = () => undefined;
  let rung = false;
  const ring = (): void => {
    rung = true;
    wake();
  };
  const unlisten = await db.listen(ring);
  over.addEventListener("abort", ring, { once: true });
  try {
    while (!over.aborted && !(await done())) {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve));
      rung = false;
      await pause(over);
    }
  } finally {
    limit.end();
    await unlisten();
  }
}

function pause(over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (over.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      over.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, PAUSE_MS);
    over.addEventListener("abort", done);
  });
}
