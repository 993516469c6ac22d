/** `setTimeout` fires after 1 ms for anything longer than this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A delay that `setTimeout` can hold. */
export const clampDelay = (ms: number): number => Math.max(0, Math.min(ms, LONGEST_TIMER_MS));

/** Evenly spread over `ms` ± `share`, so that many nodes do not act at the same moment. */
export const jitter = (ms: number, share: number, random = Math.random): number =>
  ms * (1 + share * (2 * random() - 1));

/** Full jitter: a random share of a wait that doubles from 2 s, at `failures` 1, to 60 s. */
export const backoff = (failures: number, random = Math.random): number =>
  random() * Math.min(60_000, 1_000 * 2 ** Math.min(failures, 16));

/**
 * Waits; an abort of any of the signals ends the wait early, without an error. Leaves nothing behind on them, as one made
 * of them by `AbortSignal.any` would on a signal that lives long.
 */
export function sleep(ms: number, ...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, clampDelay(ms));
    for (const signal of signals) signal.addEventListener("abort", done);
  });
}

/** A sleeper that others can wake: the pause of a loop that also reacts to hints. */
export class Alarm {
  private ring: (() => void) | undefined;
  private rung = false;

  wake(): void {
    this.rung = true;
    this.ring?.();
  }

  /** Until woken (also before the call), aborted, or `ms` have passed. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.rung) {
      const woken = new AbortController();
      this.ring = () => woken.abort();
      await sleep(ms, signal, woken.signal);
      this.ring = undefined;
    }
    this.rung = false;
  }
}
