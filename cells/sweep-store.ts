import type { Cell } from "../contract/cell/cell.ts";
import type { SweepFile } from "../contract/cell/sweep-file.ts";
import { ProblemError } from "../contract/problem.ts";
import type { RunState } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";

export interface SweepRow {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly thread: string;
  readonly state: "active" | "finished" | "cancelled";
  readonly submitted_by: string;
  readonly submitted_at: number;
  readonly finished_at: number | null;
  /** JSON of a `SweepFile`. */
  readonly source: string;
  readonly cells: number;
  readonly runs: number;
  readonly primary_metric: string;
  /** JSON of runs by state; null while it is active. */
  readonly states: string | null;
}

const BY_ID = "select * from p_sweeps where project = $1 and id = $2";
const BY_NAME = "select * from p_sweeps where project = $1 and name = $2 order by id desc limit 1";
const PAGE = "select * from p_sweeps where project = $1 and id < $2 order by id desc limit $3";
const CELLS = `select p.ord, c.spec from p_sweep_cells p join p_cells c on c.id = p.cell
  where p.sweep = $1 and p.ord > $2 order by p.ord limit $3`;
const QUEUED = `select q.id as queue, q.image, q.image_id, q.demand, q.taken, r.lane, count(*) as queued
  from p_queues q join p_runs r on r.queue = q.id
  where q.sweep = $1 and q.open > q.taken and r.state = 'queued'
  group by q.id, q.image, q.image_id, q.demand, q.taken, r.lane order by q.id, r.lane`;

/**
 * A sweep by id, or the newest one of that name.
 * @throws ProblemError NOT_FOUND
 */
export async function findSweep(query: Query, project: string, ref: string): Promise<SweepRow> {
  const row =
    (await query<SweepRow>(BY_ID, [project, ref]))[0] ??
    (await query<SweepRow>(BY_NAME, [project, ref]))[0];
  if (row !== undefined) return row;
  throw new ProblemError("NOT_FOUND", `project ${project} has no sweep ${ref}`, {
    next: "gridpost sweep ls",
  });
}

/** Sorts after every id. */
const END = "~";

/** Newest first, from before the given id on. */
export const sweepPage = (
  query: Query,
  project: string,
  { after = END, limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<SweepRow[]> => query<SweepRow>(PAGE, [project, after, limit]);

export interface Placed {
  /** Place in the sweep, from 0. */
  readonly ord: number;
}

export interface PageOf {
  readonly sweep: string;
  /** -1 for the first page. */
  readonly after: number;
  readonly limit: number;
}

export async function cellPage(
  query: Query,
  { sweep, after, limit }: PageOf,
): Promise<(Placed & { readonly cell: Cell })[]> {
  const rows = await query<{ ord: number; spec: string }>(CELLS, [sweep, after, limit]);
  return rows.map(({ ord, spec }) => ({ ord, cell: JSON.parse(spec) as Cell }));
}

/** Runs that wait for the same: of one queue, and failed by the same nodes. */
export interface LaneRow {
  readonly queue: string;
  readonly image: string | null;
  readonly image_id: string | null;
  readonly demand: string;
  /** How many runs of the queue somebody works on. */
  readonly taken: number;
  readonly lane: string;
  readonly queued: number;
}

export const waitingLanes = (query: Query, sweep: string): Promise<LaneRow[]> =>
  query(QUEUED, [sweep]);

/** A run as lists show it. */
export interface RunRow extends Placed {
  readonly id: string;
  readonly project: string;
  readonly sweep: string;
  readonly cell: string;
  /** JSON of a `Cell`. */
  readonly spec: string;
  readonly block: number;
  readonly state: RunState;
  readonly attempt: number;
  readonly attempt_id: string | null;
  readonly queued_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly session: string | null;
  readonly holder: string | null;
  readonly outcome: string | null;
  readonly message: string | null;
}

const RUNS = `select r.id, r.project, r.sweep, r.ord, r.cell, r.block, r.state, r.attempt, a.id as attempt_id, r.queued_at,
    r.started_at, r.finished_at, a.session, a.holder, a.outcome, a.message, c.spec
  from p_runs r join p_cells c on c.id = r.cell left join p_attempts a on a.run = r.id and a.n = r.attempt`;
const RUN_PAGE = `${RUNS} where r.sweep = $1 and r.ord > $2 and ($3 = '' or r.state = $3) order by r.ord limit $4`;
const ONE_RUN = `${RUNS} where r.id = $1 and r.project = $2`;

export const runPage = (
  query: Query,
  { sweep, after, limit, state = "" }: PageOf & { readonly state?: string | undefined },
): Promise<RunRow[]> => query<RunRow>(RUN_PAGE, [sweep, after, state, limit]);

/** @throws ProblemError NOT_FOUND */
export async function findRun(query: Query, project: string, id: string): Promise<RunRow> {
  const [row] = await query<RunRow>(ONE_RUN, [id, project]);
  if (row !== undefined) return row;
  throw new ProblemError("NOT_FOUND", `project ${project} has no run ${id}`, {
    next: "gridpost sweep show SWEEP",
  });
}

/** The parsed sweep file of a row. */
export const sourceOf = ({ source }: Pick<SweepRow, "source">): SweepFile =>
  JSON.parse(source) as SweepFile;
