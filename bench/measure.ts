/** How long each call took and all together, in milliseconds. */
export interface Timed {
  readonly times: readonly number[];
  readonly tookMs: number;
}

/** What a series of calls achieved. */
export interface Rate {
  /** Calls in one second, over all callers. */
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface Loop {
  /** How many callers wait at the same moment, each for its own call. */
  readonly callers: number;
  /** Calls over all callers. */
  readonly calls: number;
  /** One call; gets the number of its caller. */
  readonly call: (caller: number) => Promise<void>;
}

/** Runs a closed loop: each caller makes its next call when its last one was answered. */
export async function closedLoop({ callers, calls, call }: Loop): Promise<Timed> {
  const times: number[] = [];
  let left = calls;
  const caller = async (n: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const from = performance.now();
      await call(n);
      times.push(performance.now() - from);
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: callers }, (_, n) => caller(n)));
  return { times, tookMs: performance.now() - from };
}

/** Rate and percentiles over several series. */
export function rateOf(series: readonly Timed[]): Rate {
  const sorted = series.flatMap(({ times }) => times).toSorted((a, b) => a - b);
  const tookMs = series.reduce((sum, one) => sum + one.tookMs, 0);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  return { perSecond: (sorted.length / tookMs) * 1_000, p50: at(0.5), p99: at(0.99) };
}

/** The middle of an odd number of values; NaN of none. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * Measures two things in turns, so that a busy moment of the machine meets both.
 * @returns the rates, and the median over the rounds of the first as a part of the second
 */
export async function inTurns(
  rounds: number,
  one: (round: number) => Promise<Timed>,
  other: (round: number) => Promise<Timed> | Timed,
): Promise<{ readonly one: Rate; readonly other: Rate; readonly ratio: number }> {
  const ones: Timed[] = [];
  const others: Timed[] = [];
  for (let round = 0; round < rounds; round += 1) {
    ones.push(await one(round));
    others.push(await other(round));
  }
  const ratios = ones.map((timed, i) => {
    const against = others[i];
    return against === undefined ? 0 : rateOf([timed]).perSecond / rateOf([against]).perSecond;
  });
  return { one: rateOf(ones), other: rateOf(others), ratio: median(ratios) };
}
