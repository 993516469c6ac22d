import { z } from "zod";
import { AxisValue } from "./cell/sweep-file.ts";
import { AttemptId, CellId, RunId, SessionId, Sha256, SweepId, Time } from "./ids.ts";

/**
 * Where a run stands. `blocked` waits for something other than a node, `claimed` has a holder that has not begun, `invalid`
 * ran without a measurement that counts, `skipped` was never started.
 */
export const RunState = z.enum([
  "blocked",
  "queued",
  "claimed",
  "running",
  "succeeded",
  "failed",
  "invalid",
  "skipped",
  "cancelled",
]);
export type RunState = z.infer<typeof RunState>;

/** The states that a run never leaves. */
export const FinalRunState = RunState.extract([
  "succeeded",
  "failed",
  "invalid",
  "skipped",
  "cancelled",
]);

/** How an attempt ended. `setup_failed`, `lost` and `invalid` are the infrastructure's doing and are retried. */
export const Outcome = z.enum([
  "ok",
  "setup_failed",
  "failed",
  "timed_out",
  "silent",
  "oom",
  "lost",
  "invalid",
  "cancelled",
  "superseded",
]);
export type Outcome = z.infer<typeof Outcome>;

/** One measured value; unique by (attempt, repeat, metric, statistic). */
export const Sample = z.object({
  repeat: z.int().min(1),
  metric: z.string().min(1).max(64),
  /** `value` for a single reading, else `mean`, `p50`, `p99`, … as the benchmark reported it. */
  statistic: z.string().min(1).max(32).default("value"),
  value: z.number(),
  unit: z.string().max(32),
  /** How many readings the value stands for. */
  n: z.int().min(1).default(1),
});
export type Sample = z.infer<typeof Sample>;

/** A hashed file that backs a result; its bytes are a blob. */
export const EvidenceFile = z.object({
  name: z.string().min(1).max(256),
  sha256: Sha256,
  size: z.int().min(0),
});
export type EvidenceFile = z.infer<typeof EvidenceFile>;

/** One execution of the cell's command within an attempt. */
export const Execution = z.object({
  /** 0 and below are warm-ups (…, -1, 0), 1 and above are repeats. */
  repeat: z.int(),
  exitCode: z.int().nullable(),
  durationMs: z.number().min(0),
});

/** What a daemon, or an agent by hand, says when an attempt has ended. */
export const AttemptReport = z
  .object({
    outcome: Outcome.exclude(["lost", "superseded"]),
    /** Why, in one line, for every outcome but `ok`. */
    message: z.string().max(4_000).nullable(),
    runtime: z.enum(["docker", "process"]).nullable(),
    /** Repo digest or image id of what ran. */
    image: z.string().nullable(),
    samples: z.array(Sample).max(100_000),
    executions: z.array(Execution).max(10_000),
    evidence: z.array(EvidenceFile).max(64),
    /** Versions and settings of the node while it ran, for the provenance of the report. */
    environment: z.record(z.string(), z.string()),
  })
  .meta({ id: "AttemptReport" });
export type AttemptReport = z.infer<typeof AttemptReport>;

/** What a person or agent reports of a run that it did itself. */
export const HandReport = z.strictObject({
  outcome: AttemptReport.shape.outcome.default("ok"),
  message: AttemptReport.shape.message.default(null),
  samples: AttemptReport.shape.samples.default([]),
  environment: AttemptReport.shape.environment.default({}),
});

/** A run as lists and `sweep show` give it. */
export const RunView = z
  .object({
    id: RunId,
    sweep: SweepId,
    cell: CellId,
    /** Where the cell stands in the sweep's matrix. */
    axes: z.record(z.string(), AxisValue),
    block: z.int(),
    state: RunState,
    /** Number of the latest attempt; 0 before the first claim. */
    attempt: z.int(),
    attemptId: AttemptId.nullable(),
    session: SessionId.nullable(),
    holder: z.string().nullable(),
    outcome: Outcome.nullable(),
    message: z.string().nullable(),
    queuedAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .meta({ id: "Run" });
export type RunView = z.infer<typeof RunView>;

/** Reference to an attempt on the wire between daemon and server. */
export const AttemptRef = z.object({ id: AttemptId, run: RunId, n: z.int().min(1) });
export type AttemptRef = z.infer<typeof AttemptRef>;
