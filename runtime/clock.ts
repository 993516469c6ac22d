/** Where a process gets its time from. Injected, so that tests move time instead of waiting for it. */
export interface Clock {
  /** The wall clock: milliseconds since the epoch; may jump in both directions. */
  now(): number;
  /** Milliseconds since an arbitrary start; never runs backwards. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
