import {
  max,
  mean,
  median,
  medianAbsoluteDeviation,
  min,
  sampleStandardDeviation,
} from "simple-statistics";
import type { z } from "zod";
import { groupBy } from "../contract/group-by.ts";
import type { MetricSummary } from "../contract/report.ts";
import type { Sample } from "../contract/run.ts";

/** Makes the median absolute deviation estimate the standard deviation of a normal distribution (Rousseeuw and Croux, 1993). */
const MAD_TO_SIGMA = 1.4826;

type Summary = z.infer<typeof MetricSummary>;

/** Summaries of the samples by (metric, statistic, unit), sorted by these names; units are never mixed. */
export function summarise(samples: readonly Sample[]): Summary[] {
  const groups = groupBy(samples, ({ metric, statistic, unit }) =>
    JSON.stringify([metric, statistic, unit]),
  );
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, group]) => summaryOf(group));
}

function summaryOf(group: readonly Sample[]): Summary[] {
  const first = group[0];
  if (first === undefined) return [];
  // Sorted, because the rounding of a sum depends on its order and the report must not.
  const values = group.map(({ value }) => value).sort((a, b) => a - b);
  const average = mean(values);
  return [
    {
      metric: first.metric,
      statistic: first.statistic,
      unit: first.unit,
      n: values.length,
      median: finite(median(values)),
      min: min(values),
      max: max(values),
      // One value says nothing of how far values lie apart.
      mad: values.length < 2 ? null : finite(MAD_TO_SIGMA * medianAbsoluteDeviation(values)),
      cvPercent:
        values.length < 2 || average === 0
          ? null
          : finite((100 * sampleStandardDeviation(values)) / Math.abs(average)),
    },
  ];
}

/** Sums and squares of the largest numbers are none; JSON has no word for that. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
