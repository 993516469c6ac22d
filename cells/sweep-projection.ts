import type { SweepFile } from "../contract/cell/sweep-file.ts";
import type { EventBody } from "../contract/events/index.ts";
import { groupBy } from "../contract/group-by.ts";
import type { Query } from "../storage/db.ts";
import type { Apply, Event } from "../storage/log.ts";
import { insertRows } from "./insert-rows.ts";
import { demandOf } from "./match.ts";

type Submitted = EventBody<"sweep.submitted">;

const SWEEP = `insert into p_sweeps (id, project, name, thread, state, submitted_by, submitted_at, source,
    cells, runs, lost_after_ms, budget_ms, repeats, primary_metric)
  values ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9, $10, $11, $12, $13)`;
const CELL = "insert into p_cells (id, spec) values ($1, $2) on conflict (id) do nothing";
const FREEZE = "update p_queues set image_id = $3 where sweep = $1 and image = $2";
const FINISH = `update p_sweeps set state = case state when 'active' then 'finished' else state end,
  finished_at = $2, states = $3 where id = $1`;
const CANCEL_SWEEP = "update p_sweeps set state = 'cancelled' where id = $1";
const CANCEL_RUNS = `update p_runs set state = 'cancelled', finished_at = $2
  where sweep = $1 and state in ('blocked', 'queued', 'claimed', 'running')`;
const EMPTY_QUEUES = "update p_queues set open = 0, taken = 0 where sweep = $1";
const CLOSE_QUEUES = "update p_queues set closed = 1 where sweep = $1";

const SLACK_MS = 600_000;

/** How long an attempt of the sweep may take by its own limits; a holder that goes on beyond has forgotten it. */
export function budgetOf({ cell: { phases }, repeats, warmup }: SweepFile): number {
  const { setup, run, stop } = phases;
  return setup.timeout + (repeats + warmup) * (run.timeout + stop.timeout) + SLACK_MS;
}

async function submitted(query: Query, event: Event): Promise<void> {
  const sweep = event.body as Submitted;
  const { source } = sweep;
  await query(SWEEP, [
    sweep.id,
    event.project,
    sweep.name,
    sweep.thread,
    event.actor,
    event.at,
    JSON.stringify(source),
    sweep.cells.length,
    sweep.runs.length,
    source.lostAfter,
    budgetOf(source),
    source.repeats,
    source.metrics.primary,
  ]);
  for (const cell of sweep.cells) await query(CELL, [cell.id, JSON.stringify(cell)]);
  const placed = sweep.cells.map(({ id }, ord) => [sweep.id, ord, id]);
  await insertRows(query, "p_sweep_cells (sweep, ord, cell)", placed);
  await insertQueuesAndRuns(query, event);
}

async function insertQueuesAndRuns(query: Query, { project, at, body }: Event): Promise<void> {
  const { id: sweep, cells, runs, images, source } = body as Submitted;
  const imageOf = new Map(cells.map(({ id, image }) => [id, image]));
  const names = [...new Set(imageOf.values())];
  const queueOf = new Map(names.map((image, i) => [image, `${sweep}/${i}`]));
  const placed = runs.map(({ id, cell, block }, ord) => {
    const queue = queueOf.get(imageOf.get(cell) ?? null);
    return [id, project, sweep, ord, cell, block, queue, "queued", "", 0, 0, at];
  });
  const demand = JSON.stringify(demandOf(source));
  const runsOf = groupBy(placed, (run) => run[6]);
  const queues = names.map((image) => {
    const queue = queueOf.get(image);
    const open = runsOf.get(queue)?.length ?? 0;
    const frozen = image === null ? null : (images[image] ?? null);
    return [queue, project, sweep, image, frozen, source.priority, at, demand, open, 0, 0];
  });
  await insertRows(
    query,
    "p_queues (id, project, sweep, image, image_id, priority, submitted_at, demand, open, taken, closed)",
    queues,
  );
  await insertRows(
    query,
    "p_runs (id, project, sweep, ord, cell, block, queue, state, lane, retries, attempt, queued_at)",
    placed,
  );
}

async function frozen(query: Query, { body }: Event): Promise<void> {
  const { sweep, image, id } = body as EventBody<"image.frozen">;
  await query(FREEZE, [sweep, image, id]);
}

async function cancelled(query: Query, { at, body }: Event): Promise<void> {
  const { id } = body as EventBody<"sweep.cancelled">;
  await query(CANCEL_SWEEP, [id]);
  await query(CANCEL_RUNS, [id, at]);
  await query(EMPTY_QUEUES, [id]);
}

async function finished(query: Query, { at, body }: Event): Promise<void> {
  const { id, states } = body as EventBody<"sweep.finished">;
  await query(FINISH, [id, at, JSON.stringify(states)]);
  await query(CLOSE_QUEUES, [id]);
}

export const sweepApply: Readonly<Record<string, Apply>> = {
  "sweep.submitted": submitted,
  "image.frozen": frozen,
  "sweep.cancelled": cancelled,
  "sweep.finished": finished,
};
