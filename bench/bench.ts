/** One printed result. */
export interface Line {
  readonly what: string;
  readonly value: number;
  /** `/s`, `x`, `ms`, `%`. */
  readonly unit: string;
  /** Milliseconds for one call. */
  readonly p50?: number;
  readonly p99?: number;
  /** The least value that is good enough; a bench that misses one exits with 1. */
  readonly floor?: number;
  /** The same for a value that must not be greater. */
  readonly ceiling?: number;
}

/** What `bench/<name>.bench.ts` exports as `bench`. */
export interface Bench {
  /** How it is measured and against what, in a sentence or two. */
  readonly method: string;
  readonly run: (print: (line: Line) => void) => Promise<void>;
}
