import type { Cell } from "../contract/cell/cell.ts";
import { groupBy } from "../contract/group-by.ts";
import type { Inventory } from "../contract/inventory.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Sample } from "../contract/run.ts";
import type { AttemptRecord, SweepRecord } from "../contract/sweep-record.ts";
import type { Query } from "../storage/db.ts";
import { stateCounts } from "./finish.ts";
import { findSweep, sourceOf } from "./sweep-store.ts";
import { reportWith } from "./views.ts";

const IMAGES = "select image, image_id from p_queues where sweep = $1 and image is not null";
const CELLS = `select c.spec from p_sweep_cells p join p_cells c on c.id = p.cell
  where p.sweep = $1 order by p.ord`;
const RUNS = "select id, cell, block, state from p_runs where sweep = $1 order by ord";
const ATTEMPTS = `select a.id, a.run, a.n, a.holder, a.state, a.outcome, a.message, a.measured_id, a.report
  from p_runs r join p_attempts a on a.run = r.id
  where r.sweep = $1 and a.outcome is not null order by r.ord, a.n`;
const SAMPLES = `select s.attempt, s.repeat, s.metric, s.statistic, s.value, s.unit, s.n
  from p_runs r join p_attempts a on a.run = r.id join p_samples s on s.attempt = a.id
  where r.sweep = $1`;
/** As the nodes were when they took the work up. */
const NODES = `select node as name, inventory from p_inventories where (node, since) in (
    select distinct substr(a.holder, 6), (
      select max(since) from p_inventories where node = substr(a.holder, 6) and since <= a.claimed_at)
    from p_runs r join p_attempts a on a.run = r.id
    where r.sweep = $1 and a.outcome is not null and a.holder like 'node:%')
  order by node, since`;

/** The sweep by id, or the newest one of that name; null when there is none. */
export async function sweepRecord(
  query: Query,
  project: string,
  sweep: string,
): Promise<SweepRecord | null> {
  const row = await findSweep(query, project, sweep).catch(noneIfNotFound);
  if (row === null) return null;
  const { id, name, thread } = row;
  const images = await query<{ image: string; image_id: string | null }>(IMAGES, [id]);
  const cells = await query<{ spec: string }>(CELLS, [id]);
  const attempts = await attemptsOf(query, id);
  return {
    project,
    id,
    name,
    thread,
    submittedBy: row.submitted_by,
    submittedAt: row.submitted_at,
    metrics: sourceOf(row).metrics,
    states: await stateCounts(query, id),
    images: Object.fromEntries(images.map(({ image, image_id: frozen }) => [image, frozen])),
    cells: cells.map(({ spec }) => JSON.parse(spec) as Cell),
    runs: await query<SweepRecord["runs"][number]>(RUNS, [id]),
    attempts,
    nodes: await nodesThatWorked(query, id),
  };
}

function noneIfNotFound(error: unknown): null {
  if (error instanceof ProblemError && error.code === "NOT_FOUND") return null;
  throw error;
}

interface AttemptRow extends Omit<AttemptRecord, "accepted" | "measuredId" | "report"> {
  readonly id: string;
  readonly state: string;
  readonly measured_id: string | null;
  readonly report: string | null;
}

type SampleRow = Sample & { readonly attempt: string };

async function attemptsOf(query: Query, sweep: string): Promise<AttemptRecord[]> {
  const rows = await query<AttemptRow>(ATTEMPTS, [sweep]);
  const samples = groupBy(await query<SampleRow>(SAMPLES, [sweep]), ({ attempt }) => attempt);
  return rows.map(({ id, state, measured_id: measuredId, report, ...row }) => ({
    ...row,
    accepted: state === "finished" && row.outcome === "ok",
    measuredId,
    report: reportWith(report, samples.get(id) ?? []),
  }));
}

async function nodesThatWorked(query: Query, sweep: string): Promise<SweepRecord["nodes"]> {
  const rows = await query<{ name: string; inventory: string }>(NODES, [sweep]);
  return rows.map(({ name, inventory }) => ({
    name,
    inventory: JSON.parse(inventory) as Inventory,
  }));
}
