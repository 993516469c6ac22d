import type { SweepFile } from "../contract/cell/sweep-file.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Demand, Waiting } from "./match.ts";
import { parseOnce } from "./parse-once.ts";

/** A queue with the first of its runs that no node has failed yet. */
export interface QueueRow extends Waiting {
  readonly sweep: string;
  readonly run: string | null;
}

const OPEN_QUEUES = `select q.id, q.project, q.sweep, q.priority, q.submitted_at, q.image, q.image_id, q.demand, q.open,
    q.taken, case when q.open > q.taken then (select r.id from p_runs r
      where r.queue = q.id and r.state = 'queued' and r.lane = '' order by r.ord limit 1) end as run
  from p_queues q where q.open > 0`;
const LANES =
  "select distinct lane from p_runs where queue = $1 and state = 'queued' and lane <> ''";
const FIRST_OF_LANE = `select id from p_runs where queue = $1 and state = 'queued' and lane = $2
  order by ord limit 1`;
const RUN = `select r.id, r.project, r.sweep, r.cell, r.block, r.attempt, q.image_id, c.spec
  from p_runs r join p_queues q on q.id = r.queue join p_cells c on c.id = r.cell where r.id = $1`;
const SWEEP = "select name, thread, source from p_sweeps where id = $1";
const HELD_GPUS = `select s.gpus from p_attempts a join p_sessions s on s.id = a.session
  where a.holder = $1 and a.state in ('claimed', 'running')`;

interface RawQueue extends Omit<QueueRow, "submittedAt" | "imageId" | "demand"> {
  readonly submitted_at: number;
  readonly image_id: string | null;
  readonly demand: string;
}

/** Every queue with runs that have not ended; few, however many runs there are. */
export async function openQueues(query: Query): Promise<QueueRow[]> {
  const rows = await query<RawQueue>(OPEN_QUEUES);
  return rows.map(({ submitted_at: submittedAt, image_id: imageId, demand, ...row }) => ({
    ...row,
    submittedAt,
    imageId,
    demand: parseOnce<Demand>(demand),
  }));
}

export async function lanesOf(query: Query, queue: string): Promise<string[]> {
  const rows = await query<{ lane: string }>(LANES, [queue]);
  return rows.map(({ lane }) => lane);
}

export async function firstOfLane(
  query: Query,
  queue: string,
  lane: string,
): Promise<string | undefined> {
  const [row] = await query<{ id: string }>(FIRST_OF_LANE, [queue, lane]);
  return row?.id;
}

const BY_HAND = `select r.id from p_queues q join p_runs r on r.queue = q.id
  where q.project = $1 and q.open > q.taken and r.state = 'queued' and ($2 = '' or q.sweep = $2) and ($3 = '' or r.id = $3)
  order by q.priority desc, q.submitted_at, r.ord limit 1`;

/** The queued run to give to somebody who works by hand; `""` asks for no particular sweep or run. */
export async function nextByHand(
  query: Query,
  project: string,
  { sweep, run }: { readonly sweep: string; readonly run: string },
): Promise<string | undefined> {
  const [row] = await query<{ id: string }>(BY_HAND, [project, sweep, run]);
  return row?.id;
}

/** A run with all that granting it needs; `spec` is JSON. */
export interface ClaimableRow {
  readonly id: string;
  readonly project: string;
  readonly sweep: string;
  readonly cell: string;
  readonly block: number;
  /** How many attempts it has had. */
  readonly attempt: number;
  readonly image_id: string | null;
  readonly spec: string;
}

export async function claimable(query: Query, run: string): Promise<ClaimableRow | undefined> {
  const [row] = await query<ClaimableRow>(RUN, [run]);
  return row;
}

/** What of a sweep never changes. */
export interface SweepTerms {
  readonly name: string;
  readonly thread: string;
  readonly source: SweepFile;
}

const MAX_TERMS = 1_000;
const known = new Map<string, SweepTerms>();

/** The terms of a sweep, read once: every claim needs them. */
export async function termsOf(query: Query, sweep: string): Promise<SweepTerms> {
  const terms = known.get(sweep);
  if (terms !== undefined) return terms;
  const [row] = await query<{ name: string; thread: string; source: string }>(SWEEP, [sweep]);
  if (row === undefined) throw new ProblemError("NOT_FOUND", `there is no sweep ${sweep}`);
  const read = { ...row, source: JSON.parse(row.source) as SweepFile };
  if (known.size >= MAX_TERMS) known.clear();
  known.set(sweep, read);
  return read;
}

/** The GPUs that the sessions of a holder have in use. */
export async function heldGpus(query: Query, holder: string): Promise<string[]> {
  const rows = await query<{ gpus: string }>(HELD_GPUS, [holder]);
  return rows.flatMap(({ gpus }) => JSON.parse(gpus) as string[]);
}
