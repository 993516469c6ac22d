import { z } from "zod";
import { Cell, CellFile, Resolved } from "./cell/cell.ts";
import { PhaseLimits, SweepFile } from "./cell/sweep-file.ts";
import { defineEndpoint } from "./endpoint.ts";
import {
  AttemptId,
  LeaseId,
  Name,
  RunId,
  SessionId,
  Sha256,
  SweepId,
  ThreadId,
  Time,
} from "./ids.ts";
import { NextCursor, pageQuery } from "./page.ts";
import { AttemptRef, AttemptReport, HandReport, RunState, RunView } from "./run.ts";

const project = z.object({ project: Name });
/** A sweep's id, or its name (then the newest sweep of that name). */
const SweepRef = z.string().min(1).max(64);
const sweep = project.extend({ sweep: SweepRef });

export const SweepView = z
  .object({
    sweep: SweepId,
    name: Name,
    project: Name,
    thread: ThreadId,
    state: z.enum(["active", "finished", "cancelled"]),
    cells: z.int(),
    runs: z.int(),
    /** What every repeat of a run must have a value of. */
    primaryMetric: z.string(),
    states: z.partialRecord(RunState, z.int()),
    /** Why queued runs do not start: what no known node offers. One line each; empty when all is well. */
    waiting: z.array(z.string()),
    submittedBy: z.string(),
    submittedAt: Time,
    finishedAt: Time.nullable(),
  })
  .meta({ id: "Sweep" });

/** One run of a session with all that is needed to execute it. */
export const GrantedRun = z.object({
  project: Name,
  sweep: SweepId,
  sweepName: Name,
  thread: ThreadId,
  block: z.int(),
  attempt: AttemptRef,
  cell: Cell,
  /** The image frozen for this sweep; null when the first node to run it freezes it. */
  image: z.string().nullable(),
  repeats: z.int(),
  warmup: z.int(),
  phases: PhaseLimits,
  lostAfterMs: z.int(),
});
export type GrantedRun = z.infer<typeof GrantedRun>;

/** What a claim grants: runs to execute in the given order under one lease. */
export const Session = z
  .object({
    id: SessionId,
    lease: z.object({ id: LeaseId, fence: z.int(), ttlMs: z.int() }),
    /** UUIDs of the GPUs that the session holds on its node. */
    gpus: z.array(z.string()),
    runs: z.array(GrantedRun).min(1),
  })
  .meta({ id: "Session" });
export type Session = z.infer<typeof Session>;

/** What a node can take now. */
export const Capacity = z.strictObject({
  /** UUIDs of clean, unlocked GPUs. */
  gpus: z.array(z.string().max(128)).max(64).default([]),
  /** Free slots for sessions without GPUs. */
  slots: z.int().min(0).max(1_024).default(0),
  runtimes: z.array(z.enum(["docker", "process"])).default([]),
  /** Cores that no process has for itself; left out by a node that keeps none on cores of its own. */
  cores: z.int().min(0).max(65_536).optional(),
});
export type Capacity = z.input<typeof Capacity>;

/** What became of a report, and what there is to do next. */
export const Completed = z.object({
  run: RunId,
  state: RunState,
  /** False when the attempt had been fenced out: its report is kept as superseded evidence. */
  accepted: z.boolean(),
  /** The next session, when the request offered capacity and something fits. */
  next: Session.nullable(),
});

const attempt = z.object({ attempt: AttemptId });
/** How long a claim by hand lives without being renewed. */
const TtlMs = z.int().min(60_000).max(604_800_000).default(3_600_000);

export const cells = {
  submitSweep: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/sweeps",
    summary: "Submit a sweep: its cells become queued runs",
    scope: "sweep:write",
    params: project,
    bodyLimit: 16 * 1_048_576,
    body: z.strictObject({
      sweep: SweepFile,
      /** Content of `cell.files`, base64; together at most 8 MiB. */
      files: z
        .array(z.strictObject({ path: z.string(), content: z.base64() }))
        .max(64)
        .default([]),
    }),
    response: SweepView,
  }),
  sweeps: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/sweeps",
    summary: "List sweeps, newest first",
    scope: "sweep:read",
    params: project,
    query: z.strictObject(pageQuery),
    response: z.object({ sweeps: z.array(SweepView), next: NextCursor }),
  }),
  sweep: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/sweeps/:sweep",
    summary: "Show a sweep; `wait` answers when it has finished or the time is up",
    scope: "sweep:read",
    params: sweep,
    query: z.strictObject({ wait: z.coerce.number().int().min(0).max(300_000).default(0) }),
    response: SweepView,
  }),
  cancelSweep: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/sweeps/:sweep/cancel",
    summary: "Cancel what has not ended of a sweep",
    scope: "sweep:write",
    params: sweep,
    body: z.strictObject({ reason: z.string().max(500).optional() }),
    response: SweepView,
  }),
  cellsOf: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/sweeps/:sweep/cells",
    summary: "List the cells of a sweep",
    scope: "sweep:read",
    params: sweep,
    query: z.strictObject(pageQuery),
    response: z.object({ cells: z.array(Cell), next: NextCursor }),
  }),
  runs: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/sweeps/:sweep/runs",
    summary: "List the runs of a sweep",
    scope: "sweep:read",
    params: sweep,
    query: z.strictObject({ ...pageQuery, state: RunState.optional() }),
    response: z.object({ runs: z.array(RunView), next: NextCursor }),
  }),
  run: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/runs/:run",
    summary: "Show a run with its attempts",
    scope: "sweep:read",
    params: project.extend({ run: RunId }),
    response: RunView.extend({
      attempts: z.array(
        z.object({
          id: AttemptId,
          n: z.int(),
          holder: z.string(),
          state: z.enum(["claimed", "running", "finished", "lost", "superseded"]),
          report: AttemptReport.nullable(),
        }),
      ),
    }),
  }),
  runLogs: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/runs/:run/logs",
    summary: "Read the log of the latest attempt from a byte offset",
    scope: "sweep:read",
    params: project.extend({ run: RunId }),
    query: z.strictObject({
      after: z.coerce.number().int().min(0).default(0),
      wait: z.coerce.number().int().min(0).max(60_000).default(0),
    }),
    response: z.object({
      attempt: AttemptId.nullable(),
      text: z.string(),
      next: z.int(),
      done: z.boolean(),
    }),
  }),
  /** For a node: what its free capacity can take, over all projects. null: nothing fits now. */
  claim: defineEndpoint({
    method: "POST",
    path: "/v1/claims",
    summary: "Claim the next session that fits this node",
    scope: "node:self",
    body: Capacity,
    response: z.object({ session: Session.nullable() }),
  }),
  /** By the same rules for somebody without a daemon: this run, or the next of the sweep or project; null: none waits. */
  claimByHand: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/claims",
    summary: "Claim a queued run to work on it by hand",
    scope: "run:work",
    params: project,
    body: z.strictObject({ run: RunId.optional(), sweep: SweepRef.optional(), ttlMs: TtlMs }),
    response: z.object({ session: Session.nullable() }),
  }),
  renewClaim: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/claims/:session/renew",
    summary: "Extend a claim by hand from now",
    scope: "run:work",
    params: project.extend({ session: SessionId }),
    body: z.strictObject({ ttlMs: TtlMs }),
    response: Session,
  }),
  completeClaim: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/claims/:session/complete",
    summary: "Report how a run that was claimed by hand ended",
    scope: "run:work",
    params: project.extend({ session: SessionId }),
    body: z.strictObject({ report: HandReport }),
    response: Completed,
  }),
  start: defineEndpoint({
    method: "POST",
    path: "/v1/attempts/:attempt/start",
    summary: "Say that an attempt begins to run",
    scope: "node:self",
    params: attempt,
    body: z.strictObject({
      runtime: Resolved.shape.runtime,
      image: z.string().max(512).nullable(),
    }),
    response: z.object({ ok: z.literal(true) }),
  }),
  complete: defineEndpoint({
    method: "POST",
    path: "/v1/attempts/:attempt/complete",
    summary: "Report how an attempt ended; can return the next session",
    scope: "node:self",
    params: attempt,
    bodyLimit: 16 * 1_048_576,
    body: z.strictObject({ report: AttemptReport, next: Capacity.nullable().default(null) }),
    response: Completed,
  }),
  appendLog: defineEndpoint({
    method: "POST",
    path: "/v1/attempts/:attempt/logs",
    summary: "Append to the live log of an attempt; offsets that are known are skipped",
    scope: "node:self",
    idempotent: false,
    params: attempt,
    body: z.strictObject({ offset: z.int().min(0), text: z.string().max(262_144) }),
    response: z.object({ next: z.int() }),
  }),
  /** The input files of a granted run. */
  cellFile: defineEndpoint({
    method: "GET",
    path: "/v1/attempts/:attempt/files/:sha256",
    summary: "Fetch an input file of a granted run, base64",
    scope: "node:self",
    params: attempt.extend({ sha256: Sha256 }),
    response: CellFile.extend({ content: z.base64() }),
  }),
  putEvidence: defineEndpoint({
    method: "PUT",
    path: "/v1/attempts/:attempt/evidence/:sha256",
    summary: "Store a file that backs a result, base64, at most 64 MiB",
    scope: "node:self",
    params: attempt.extend({ sha256: Sha256 }),
    bodyLimit: 96 * 1_048_576,
    body: z.strictObject({ content: z.base64() }),
    response: z.object({ sha256: Sha256, size: z.int() }),
  }),
} as const;
