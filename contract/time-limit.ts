/** A signal that holds a timer and listeners until `end` lets go of them. */
export interface TimeLimit {
  readonly signal: AbortSignal;
  end(): void;
}

/**
 * Fires after so many milliseconds, or with the first of the signals. `AbortSignal.any` cannot be told to: the garbage
 * collector of Node 20 takes an `AbortSignal.timeout` out of it, and it never fires.
 */
export function timeLimit(ms: number, ...signals: readonly AbortSignal[]): TimeLimit {
  const over = new AbortController();
  const late = (): void => over.abort(new DOMException("it took too long", "TimeoutError"));
  const timer = setTimeout(late, ms);
  const abort = (): void => over.abort(signals.find(({ aborted }) => aborted)?.reason);
  for (const signal of signals) signal.addEventListener("abort", abort);
  if (signals.some(({ aborted }) => aborted)) abort();
  return {
    signal: over.signal,
    end: () => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", abort);
    },
  };
}
