import type { Clock } from "../runtime/clock.ts";

/**
 * The `now_ms()` of a single-process store: the wall clock read once, then monotonic time, so that nobody who sets the
 * wall clock moves a deadline. It starts at `atLeast` (the last event's time) if the wall clock is behind that.
 */
export function serverTime(clock: Clock, atLeast: number): () => number {
  const offset = Math.max(clock.now(), atLeast) - clock.monotonic();
  let latest = atLeast;
  return () => {
    latest = Math.max(latest, Math.floor(offset + clock.monotonic()));
    return latest;
  };
}
