import { z } from "zod";
import { AxisValue } from "./cell/sweep-file.ts";
import { Name, SweepId, ThreadId, Time } from "./ids.ts";
import { Outcome, RunState } from "./run.ts";

/** Version of `report.json`; raised when a field changes its meaning or goes. */
export const REPORT_VERSION = 1;

/** Median and spread of one metric of one cell over all accepted repeats of all its blocks; null is beyond all numbers. */
export const MetricSummary = z.object({
  metric: z.string(),
  statistic: z.string(),
  unit: z.string(),
  n: z.int(),
  median: z.number().nullable(),
  min: z.number(),
  max: z.number(),
  /** Median absolute deviation x 1.4826, in the unit; null below two values. */
  mad: z.number().nullable(),
  /** Coefficient of variation in percent; null below two values or around zero. */
  cvPercent: z.number().nullable(),
});

/** The canonical report. Deterministic: the same samples give the same bytes; it holds no time of rendering. */
export const Report = z
  .object({
    version: z.literal(REPORT_VERSION),
    project: Name,
    sweep: z.object({
      id: SweepId,
      name: Name,
      thread: ThreadId,
      submittedAt: Time,
      submittedBy: z.string(),
    }),
    headline: z.string(),
    metrics: z.object({ primary: z.string(), direction: z.enum(["higher", "lower"]) }),
    states: z.partialRecord(RunState, z.int()),
    axes: z.array(z.string()),
    cells: z.array(
      z.object({
        id: z.string(),
        measuredIds: z.array(z.string()),
        axes: z.record(z.string(), AxisValue),
        runs: z.partialRecord(RunState, z.int()),
        summaries: z.array(MetricSummary),
        /** Names of nodes; the principal of one who measured by hand. */
        nodes: z.array(z.string()),
        runtimes: z.array(z.string()),
      }),
    ),
    failures: z.array(
      z.object({
        run: z.string(),
        axes: z.record(z.string(), AxisValue),
        attempt: z.int(),
        outcome: Outcome,
        message: z.string().nullable(),
        holder: z.string(),
      }),
    ),
    provenance: z.object({
      images: z.array(z.object({ image: z.string(), id: z.string().nullable() })),
      nodes: z.array(
        z.object({
          name: z.string(),
          simulated: z.boolean(),
          cpu: z.string(),
          gpus: z.array(z.string()),
          os: z.string(),
          kernel: z.string(),
          version: z.string(),
          engine: z.string().nullable(),
        }),
      ),
      environments: z.array(z.record(z.string(), z.string())),
    }),
    method: z.string(),
  })
  .meta({ id: "Report" });
export type Report = z.infer<typeof Report>;
