import type { z } from "zod";
import type { Cell } from "../contract/cell/cell.ts";
import type { SweepView } from "../contract/cells.ts";
import { toTime } from "../contract/ids.ts";
import type { NodeView } from "../contract/nodes.ts";
import type { AttemptReport, Outcome, RunState, RunView, Sample } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import { stateCounts } from "./finish.ts";
import { nodeState } from "./node-state.ts";
import type { Node } from "./node-store.ts";
import type { RunRow, SweepRow } from "./sweep-store.ts";
import type { Look } from "./under-leases.ts";
import { waitingReasons } from "./waiting.ts";

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : toTime(ms));

export async function sweepView(look: Look, row: SweepRow): Promise<z.input<typeof SweepView>> {
  const over = row.states !== null;
  return {
    sweep: row.id,
    name: row.name,
    project: row.project,
    thread: row.thread,
    state: row.state,
    cells: row.cells,
    runs: row.runs,
    primaryMetric: row.primary_metric,
    states: over
      ? (JSON.parse(row.states ?? "{}") as Partial<Record<RunState, number>>)
      : await stateCounts(look.at.query, row.id),
    waiting: over ? [] : await waitingReasons(look, row),
    submittedBy: row.submitted_by,
    submittedAt: toTime(row.submitted_at),
    finishedAt: timeOrNull(row.finished_at),
  };
}

/** The outcome is the latest attempt's, and the run's only once that has ended. */
export const runView = (row: RunRow): z.input<typeof RunView> => ({
  id: row.id,
  sweep: row.sweep,
  cell: row.cell,
  axes: (JSON.parse(row.spec) as Cell).axes,
  block: row.block,
  state: row.state,
  attempt: row.attempt,
  attemptId: row.attempt_id,
  session: row.session,
  holder: row.holder,
  outcome: row.outcome as Outcome | null,
  message: row.message,
  queuedAt: toTime(row.queued_at),
  startedAt: timeOrNull(row.started_at),
  finishedAt: timeOrNull(row.finished_at),
});

const ATTEMPTS = "select id, n, holder, state, report from p_attempts where run = $1 order by n";
const SAMPLES = `select repeat, metric, statistic, value, unit, n from p_samples where attempt = $1
  order by repeat, metric, statistic`;

type AttemptState = "claimed" | "running" | "finished" | "lost" | "superseded";

export interface AttemptView {
  readonly id: string;
  readonly n: number;
  readonly holder: string;
  readonly state: AttemptState;
  readonly report: AttemptReport | null;
}

/** Every attempt of a run, each with its report as it was sent. */
export async function attemptsOf(query: Query, run: string): Promise<AttemptView[]> {
  const rows = await query<Omit<AttemptView, "report"> & { report: string | null }>(ATTEMPTS, [
    run,
  ]);
  const views: AttemptView[] = [];
  for (const { report, ...row } of rows) {
    const samples = await query<Sample>(SAMPLES, [row.id]);
    views.push({ ...row, report: reportWith(report, samples) });
  }
  return views;
}

/** The report of an attempt with the samples that the ledger took from it; the ones of another stay in its text. */
export function reportWith(text: string | null, samples: readonly Sample[]): AttemptReport | null {
  if (text === null) return null;
  const report = JSON.parse(text) as AttemptReport;
  return samples.length === 0 ? report : { ...report, samples: [...samples] };
}

/** What a node works on. */
export interface Work {
  /** UUIDs of the GPUs that its sessions hold. */
  readonly gpus: readonly string[];
  readonly attempts: number;
}

export function nodeView(node: Node, work: Work, now: number): z.input<typeof NodeView> {
  const { inventory } = node;
  const state = nodeState(node, now);
  const runtimes = [...inventory.runtimes].toSorted();
  return {
    name: node.name,
    state,
    reason: state === "unready" ? node.reason : null,
    gpus: inventory.gpus.map((gpu) => ({ ...gpu, busy: work.gpus.includes(gpu.uuid) })),
    runtime: runtimes.length === 0 ? "none" : runtimes.join("+"),
    simulated: inventory.simulated,
    version: inventory.version,
    running: work.attempts,
    lastBeatAt: timeOrNull(node.beatAt),
    inventory,
  };
}
