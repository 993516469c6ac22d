import type { AttemptReport, Sample } from "../contract/run.ts";
import { ProblemError } from "../contract/problem.ts";

/** What a report is held against. */
export interface Expected {
  readonly repeats: number;
  readonly primaryMetric: string;
  /** Frozen identity of the image; null when there is none. */
  readonly frozenImage: string | null;
}

/**
 * The report as it counts: an `ok` without a value for each repeat, or of another image than the frozen one, is none.
 * @throws ProblemError UNPROCESSABLE for two values of one (repeat, metric, statistic), or one of a repeat too many
 */
export function judged(report: AttemptReport, expected: Expected): AttemptReport {
  refuseDoubles(report.samples);
  refuseFurther(report.samples, expected.repeats);
  if (report.outcome !== "ok") return report;
  const { frozenImage, primaryMetric, repeats } = expected;
  if (report.runtime === "docker" && frozenImage !== null && report.image !== frozenImage) {
    const message = `ran the image ${report.image ?? "(not named)"}; the sweep is frozen at ${frozenImage}`;
    return { ...report, outcome: "invalid", message };
  }
  const message = missingValues(report.samples, { primaryMetric, repeats });
  return message === null ? report : { ...report, outcome: "failed", message };
}

type Values = Pick<Expected, "repeats" | "primaryMetric">;

/**
 * Whoever reports by hand can mend a metric's name, or say that there is no value; a run ends once.
 * @throws ProblemError UNPROCESSABLE for an `ok` without a value for each repeat
 */
export function refuseMissing(
  { outcome, samples }: Pick<AttemptReport, "outcome" | "samples">,
  expected: Values,
): void {
  const message = outcome === "ok" ? missingValues(samples, expected) : null;
  if (message === null) return;
  throw new ProblemError("UNPROCESSABLE", message, {
    next: "report a value for each repeat, or the outcome failed with a message",
  });
}

function refuseDoubles(samples: readonly Sample[]): void {
  const seen = new Set<string>();
  for (const { repeat, metric, statistic } of samples) {
    const key = `${repeat} ${statistic} ${metric}`;
    if (!seen.has(key)) {
      seen.add(key);
      continue;
    }
    throw new ProblemError(
      "UNPROCESSABLE",
      `two values for repeat ${repeat}, metric "${metric}", statistic "${statistic}"`,
      { next: "report one value for each repeat, metric and statistic" },
    );
  }
}

function refuseFurther(samples: readonly Sample[], repeats: number): void {
  const further = samples.find(({ repeat }) => repeat > repeats);
  if (further === undefined) return;
  throw new ProblemError(
    "UNPROCESSABLE",
    `a value of repeat ${further.repeat}, but the sweep asks for ${repeats} in a run`,
    { next: `report repeats 1 to ${repeats}; those of warm-ups are thrown away` },
  );
}

function missingValues(
  samples: readonly Sample[],
  { primaryMetric: metric, repeats }: Values,
): string | null {
  const found = new Set<number>();
  for (const one of samples) if (one.metric === metric) found.add(one.repeat);
  const missing: number[] = [];
  for (let repeat = 1; repeat <= repeats; repeat += 1) if (!found.has(repeat)) missing.push(repeat);
  return missing.length === 0 ? null : `no value of "${metric}" for repeat ${missing.join(", ")}`;
}
