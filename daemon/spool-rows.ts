import { z } from "zod";
import type { GrantedRun } from "../contract/cells.ts";
import { AttemptReport, Sample } from "../contract/run.ts";

/** What was decided for an attempt before the server was told that it begins. */
export const Plan = z.object({
  runtime: z.enum(["docker", "process"]),
  /** What containers are created from, and what results name. */
  image: z.object({ id: z.string(), frozen: z.string() }).nullable(),
  /** The cores that its processes have for themselves; empty: any, or a container's share. */
  cores: z.array(z.int()).default([]),
  environment: z.record(z.string(), z.string()),
});
export type Plan = z.infer<typeof Plan>;

/** Why an attempt ends before its time. */
export const StopReason = z.object({
  outcome: z.enum(["cancelled", "timed_out", "silent", "failed", "invalid"]),
  message: z.string(),
});
export type StopReason = z.infer<typeof StopReason>;

/** A file that backs a result, in the attempt's folder until the server has it. */
const KeptFile = z.object({
  name: z.string(),
  path: z.string(),
  sha256: z.string(),
  size: z.int(),
});
export type KeptFile = z.infer<typeof KeptFile>;

/** What came out of one execution. */
export const Ended = z.object({
  repeat: z.int(),
  outcome: AttemptReport.shape.outcome,
  message: z.string().nullable(),
  exitCode: z.int().nullable(),
  durationMs: z.number(),
  samples: z.array(Sample),
  files: z.array(KeptFile),
  /** How many of its files did not become evidence of the attempt. */
  filesLeftOut: z.int().default(0),
});
export type Ended = z.infer<typeof Ended>;

/** A report that waits for the server's word, with the files that its evidence names. */
export const KeptReport = z.object({ report: AttemptReport, files: z.array(KeptFile) });
export type KeptReport = z.infer<typeof KeptReport>;

export interface ExecutionRow {
  readonly n: number;
  /** `creating` is written before the engine is asked, `started` after it has answered. */
  readonly state: "creating" | "created" | "started" | "ended";
  readonly container: string | null;
  /** `specOf` the launch, by the version of the daemon that created it; null when that did not write it down. */
  readonly spec: string | null;
  /** Milliseconds after boot. */
  readonly startedAt: number | null;
  readonly ended: Ended | null;
}

/** What the server is offered for a claim; written down, so that a repetition says the same. */
export const Offer = z.object({
  gpus: z.array(z.string()),
  slots: z.int(),
  runtimes: z.array(z.enum(["docker", "process"])),
  cores: z.int().optional(),
});
export type Offer = z.infer<typeof Offer>;

export interface AttemptRow {
  readonly id: string;
  readonly session: string;
  readonly run: GrantedRun;
  readonly plan: Plan | null;
  readonly stop: StopReason | null;
  readonly report: KeptReport | null;
  /** null: decided to offer nothing; missing: not decided yet. */
  readonly offer?: Offer | null;
}

/** What the queries of the spool answer. */
export const Rows = {
  value: z.array(z.object({ value: z.string() })),
  session: z.array(z.object({ session: z.string() })),
  lock: z.array(z.object({ uuid: z.string(), session: z.string() })),
  name: z.array(z.object({ attempt: z.string(), n: z.int() })),
  attempt: z.array(
    z.object({
      id: z.string(),
      session: z.string(),
      run: z.string(),
      plan: z.string().nullable(),
      stop: z.string().nullable(),
      report: z.string().nullable(),
      offer: z.string().nullable(),
    }),
  ),
  execution: z.array(
    z.object({
      n: z.int(),
      state: z.enum(["creating", "created", "started", "ended"]),
      container: z.string().nullable(),
      spec: z.string().nullable(),
      started_at: z.number().nullable(),
      ended: z.string().nullable(),
    }),
  ),
};

/** A JSON column; null stays null. */
export function parse<T extends z.ZodType>(schema: T, json: string): z.output<T>;
export function parse<T extends z.ZodType>(schema: T, json: string | null): z.output<T> | null;
export function parse(schema: z.ZodType, json: string | null): unknown {
  return json === null ? null : schema.parse(JSON.parse(json));
}
