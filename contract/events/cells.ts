import { z } from "zod";
import { Cell } from "../cell/cell.ts";
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

/** Bodies of the events of sweeps, runs and nodes, by type; version 1 of each. */
export const cellsEvents = {
  "sweep.submitted": z.object({
    id: SweepId,
    name: Name,
    thread: ThreadId,
    /** The sweep file as it was written, for the archive and for `sweep show`. */
    source: z.unknown(),
    cells: z.array(Cell),
    runs: z.array(z.object({ id: RunId, cell: CellId, block: z.int() })),
    /** Frozen image per image as written; null until a node has reported it. */
    images: z.record(z.string(), z.string().nullable()),
    priority: z.int(),
    lostAfterMs: z.int(),
  }),
  /** A node reported the identity of an image that was not known at submission. */
  "image.frozen": z.object({ sweep: SweepId, image: z.string(), id: z.string() }),
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
    gpus: z.array(z.string()),
    attempts: z.array(z.object({ id: AttemptId, run: RunId, n: z.int() })),
  }),
  "attempt.started": z.object({
    attempt: AttemptId,
    run: RunId,
    runtime: z.enum(["docker", "process"]),
    image: z.string().nullable(),
  }),
  /** The attempt ended and its report was taken; `state` is what became of the run. */
  "attempt.finished": z.object({
    attempt: AttemptId,
    run: RunId,
    sweep: SweepId,
    report: AttemptReport,
    measuredId: Sha256.nullable(),
    state: RunState,
  }),
  /** The report of an attempt that no longer holds its run: kept as evidence, never in the ledger. */
  "attempt.superseded": z.object({ attempt: AttemptId, run: RunId, report: AttemptReport }),
  /** The server ended an attempt that its node no longer answers for. */
  "attempt.lost": z.object({ attempt: AttemptId, run: RunId, sweep: SweepId, state: RunState }),
  "run.cancelled": z.object({ run: RunId, sweep: SweepId }),
  "run.succeeded": z.object({ run: RunId, sweep: SweepId, attempt: AttemptId }),
  "run.failed": z.object({ run: RunId, sweep: SweepId, attempt: AttemptId, state: FinalRunState }),
  "node.registered": z.object({ node: Name, inventory: Inventory }),
  "node.drained": z.object({ node: Name }),
  "node.resumed": z.object({ node: Name }),
} as const;
