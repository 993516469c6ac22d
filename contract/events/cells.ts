import { z } from "zod";
import { Cell } from "../cell/cell.ts";
import type { SweepFile } from "../cell/sweep-file.ts";
import {
  AttemptId,
  CellId,
  LeaseId,
  Name,
  RunId,
  SessionId,
  Sha256,
  SweepId,
  ThreadId,
} from "../ids.ts";
import { Inventory } from "../inventory.ts";
import { AttemptReport, FinalRunState, RunState } from "../run.ts";

/** What became of a run with the report of its attempt. */
const RunEnd = {
  run: RunId,
  sweep: SweepId,
  attempt: AttemptId,
  /** Taken with this event; null when the attempt had none, or the run ended apart from it. */
  report: AttemptReport.nullable(),
  measuredId: Sha256.nullable(),
};

/** Bodies of the events of sweeps, runs and nodes, by type; version 1 of each. */
export const cellsEvents = {
  "sweep.submitted": z.object({
    id: SweepId,
    name: Name,
    thread: ThreadId,
    /** The sweep file, parsed: durations in milliseconds, sizes in bytes. */
    source: z.custom<SweepFile>(),
    cells: z.array(Cell),
    /** In the order in which they are to be granted. */
    runs: z.array(z.object({ id: RunId, cell: CellId, block: z.int() })),
    /** Frozen image per image as written; null until a node has reported it. */
    images: z.record(z.string(), z.string().nullable()),
  }),
  /** A node reported the identity of an image that was not known at submission. */
  "image.frozen": z.object({ sweep: SweepId, image: z.string(), id: z.string() }),
  /** Every run of the sweep that had not ended is cancelled. */
  "sweep.cancelled": z.object({ id: SweepId, reason: z.string().nullable() }),
  "sweep.finished": z.object({
    id: SweepId,
    thread: ThreadId,
    states: z.partialRecord(RunState, z.int()),
  }),
  /** A session was granted: its runs are claimed and each has a new attempt, whose number is its fencing token. */
  "session.granted": z.object({
    id: SessionId,
    /** `node:n1`, or the principal that claimed by hand. */
    holder: z.string(),
    lease: LeaseId,
    /** The fence of the lease. */
    fence: z.int(),
    /** UUIDs of the GPUs that the session holds on its node. */
    gpus: z.array(z.string()),
    attempts: z.array(z.object({ id: AttemptId, run: RunId, n: z.int() })),
  }),
  "attempt.started": z.object({
    attempt: AttemptId,
    run: RunId,
    runtime: z.enum(["docker", "process"]),
    image: z.string().nullable(),
  }),
  /** The report of an attempt that no longer holds its run: kept as evidence, never in the ledger. */
  "attempt.superseded": z.object({ attempt: AttemptId, run: RunId, report: AttemptReport }),
  /** The server gave up on an attempt whose holder no longer answers for it. */
  "attempt.lost": z.object({
    attempt: AttemptId,
    run: RunId,
    sweep: SweepId,
    message: z.string(),
    /** What became of the run; the next event says so. */
    state: RunState,
  }),
  /** An attempt was the infrastructure's failure: the run waits for a node other than `avoid`. */
  "run.requeued": z.object({ ...RunEnd, avoid: Name.nullable() }),
  "run.succeeded": z.object(RunEnd),
  /** The run has ended without a result. */
  "run.failed": z.object({ ...RunEnd, state: FinalRunState.exclude(["succeeded", "skipped"]) }),
  "node.registered": z.object({ node: Name, inventory: Inventory }),
  "node.drained": z.object({ node: Name }),
  "node.resumed": z.object({ node: Name }),
} as const;
