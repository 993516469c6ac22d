import type { Sample } from "../../contract/run.ts";

/** A value that a benchmark gave, before it is known of which repeat it is. */
export type Reading = Omit<Sample, "repeat">;

/** What a parser makes of an execution's output: values, or why there are none. */
export type Parsed =
  | { readonly ok: true; readonly readings: readonly Reading[] }
  | { readonly ok: false; readonly message: string };

export const refuse = (message: string): Parsed => ({ ok: false, message });

/** More values than this from one execution are a mistake of the benchmark. */
const MOST_READINGS = 10_000;

/**
 * The readings as a parser's answer, or why they cannot be accepted: none, too many, or two for the same metric and
 * statistic, of which only one could enter the ledger.
 */
export function accept(readings: readonly Reading[], where: string): Parsed {
  if (readings.length === 0) return refuse(`${where} holds no values`);
  if (readings.length > MOST_READINGS)
    return refuse(
      `${where} holds ${readings.length} values, at most ${MOST_READINGS} are accepted`,
    );
  const seen = new Set<string>();
  for (const { metric, statistic } of readings) {
    const key = `${metric}\u0000${statistic}`;
    if (seen.has(key)) return refuse(`${where} gives ${metric} (${statistic}) twice`);
    seen.add(key);
  }
  return { ok: true, readings };
}

/** A decimal number as benchmarks print it; undefined for anything else, such as an empty text or a unit. */
export function readNumber(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^[+-]?(nan|inf(inity)?)$/i.test(trimmed))
    return trimmed.toLowerCase().includes("nan") ? Number.NaN : Infinity;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : undefined;
}
