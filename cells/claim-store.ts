import type { SweepFile } from "../contract/cell/sweep-file.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Demand, Waiting } from "./match.ts";
import { parseOnce } from "./parse-once.ts";

/** A queue with runs that have not ended. */
export interface QueueRow extends Waiting {
  readonly sweep: string;
}

const OPEN_QUEUES = `select id, project, sweep, priority, submitted_at, image, image_id, demand, open, taken
  from p_queues where open > 0`;
const LANES =
  "select distinct lane from p_runs where queue = $1 and state = 'queued' and lane <> ''";
const CLAIMABLE = `select r.id, r.project, r.sweep, r.cell, r.block, r.attempt, q.image_id, c.spec
  from p_runs r join p_queues q on q.id = r.queue join p_cells c on c.id = r.cell`;
const RUN = `${CLAIMABLE} where r.id = $1`;
const FIRST_OF_LANE = `${CLAIMABLE} where r.queue = $1 and r.state = 'queued' and r.lane = $2
  order by r.ord limit 1`;
const SWEEP = "select name, thread, source from p_sweeps where id = $1";
const HELD_GPUS = `select s.gpus from p_attempts a join p_sessions s on s.id = a.session
  where a.holder = $1 and a.state in ('claimed', 'running')`;

interface RawQueue extends Omit<QueueRow, "submittedAt" | "imageId" | "demand"> {
  readonly submitted_at: number;
  readonly image_id: string | null;
  readonly demand: string;
}

const toQueue = (row: RawQueue): QueueRow => ({
  id: row.id,
  project: row.project,
  sweep: row.sweep,
  priority: row.priority,
  submittedAt: row.submitted_at,
  image: row.image,
  imageId: row.image_id,
  demand: parseOnce<Demand>(row.demand),
  open: row.open,
  taken: row.taken,
});

/** Every queue with runs that have not ended; few, however many runs there are. */
export async function openQueues(query: Query): Promise<QueueRow[]> {
  return (await query<RawQueue>(OPEN_QUEUES)).map(toQueue);
}

export async function lanesOf(query: Query, queue: string): Promise<string[]> {
  const rows = await query<{ lane: string }>(LANES, [queue]);
  return rows.map(({ lane }) => lane);
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

/** The queued run of a lane that comes first. */
export async function firstOfLane(
  query: Query,
  queue: string,
  lane: string,
): Promise<ClaimableRow | undefined> {
  const [row] = await query<ClaimableRow>(FIRST_OF_LANE, [queue, lane]);
  return row;
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
