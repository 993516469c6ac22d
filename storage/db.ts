/** Runs one statement with `$1`-style parameters and returns its rows (`[]` for a statement that returns none). */
export type Query = <R = Record<string, unknown>>(
  text: string,
  values?: readonly unknown[],
) => Promise<R[]>;

/** The two places where SQLite and PostgreSQL cannot share one SQL text. */
export interface Dialect {
  readonly name: "sqlite" | "postgres";
  /** Appended to a `select` that takes work from a queue. */
  readonly skipLocked: string;
  /** A sub-select over a parameter that holds a JSON array of strings: `id in ${list('$2')}`. */
  list(param: string): string;
}

/**
 * The database port. A domain sees this and nothing of a driver.
 *
 * `query` reads committed rows only and may not write. Every change goes through `tx`: the body awaits nothing but
 * the `query` it is given, and its effects are durable on disk when the promise of `tx` resolves.
 */
export interface Db {
  readonly dialect: Dialect;
  readonly query: Query;
  /** `now_ms()` without a statement: milliseconds since the epoch that never run backwards. */
  now(): number;
  /**
   * Runs `fn` in a transaction; a driver may roll it back and run it again, so it has no effects elsewhere. `keys` name what the decision depends on (`lease:<project>:file:<repo>`, `run:<id>`);
   * a driver with several writers locks them in sorted order before the first read.
   * @throws what `fn` throws (its effects are rolled back alone), or ProblemError UNAVAILABLE if the commit fails.
   */
  tx<T>(keys: readonly string[], fn: (query: Query) => Promise<T>): Promise<T>;
  /** Calls `onWake` after commits that appended events; a hint, coalesced, never the truth. Returns the unsubscribe. */
  listen(onWake: () => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
