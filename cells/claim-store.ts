import type { SweepFile } from "../contract/cell/sweep-file.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Demand, Waiting } from "./match.ts";

/** A queue with runs that have not ended. */
export interface QueueRow extends Waiting {
  readonly sweep: string;
}

const OPEN_QUEUES = "select id, image_id, open, taken from p_queues where closed = 0 and open > 0";
const QUEUE =
  "select project, sweep, priority, submitted_at, image, demand from p_queues where id = $1";
const LANES =
  "select distinct lane from p_runs where queue = $1 and state = 'queued' and lane <> ''";
const CLAIMABLE = `select r.id, r.project, r.sweep, r.block, r.attempt, r.queue, r.ord, c.spec
  from p_runs r join p_cells c on c.id = r.cell`;
const RUN = `${CLAIMABLE} where r.id = $1`;
const FIRST_OF_LANE = `${CLAIMABLE} where r.queue = $1 and r.state = 'queued' and r.lane = $2 and r.ord > $3
  order by r.ord limit 1`;
const IMAGE = "select image_id from p_queues where id = $1";
const SWEEP = "select name, thread, source from p_sweeps where id = $1";
const HELD_GPUS =
  "select gpus from p_attempts where holder = $1 and state in ('claimed', 'running')";

/** What of a queue never changes. */
export type QueueFacts = Omit<QueueRow, "imageId" | "open" | "taken">;

interface RawFacts extends Omit<QueueFacts, "id" | "submittedAt" | "demand"> {
  readonly submitted_at: number;
  readonly demand: string;
}

/** More than are open at once: claims would read those beyond it again each time. */
const MAX_KNOWN = 10_000;
const knownQueues = new Map<string, QueueFacts>();

/** The facts of a queue, read once: every claim needs those of all open ones. */
export async function queueFacts(query: Query, id: string): Promise<QueueFacts> {
  const known = knownQueues.get(id);
  if (known !== undefined) return known;
  const [row] = await query<RawFacts>(QUEUE, [id]);
  if (row === undefined) throw new ProblemError("NOT_FOUND", `there is no queue ${id}`);
  const { project, sweep, priority, submitted_at: submittedAt, image } = row;
  const demand = JSON.parse(row.demand) as Demand;
  return keep(knownQueues, id, { id, project, sweep, priority, submittedAt, image, demand });
}

function keep<T>(all: Map<string, T>, id: string, value: T): T {
  const [oldest] = all.size >= MAX_KNOWN ? all.keys() : [];
  if (oldest !== undefined) all.delete(oldest);
  all.set(id, value);
  return value;
}

/** Every queue with runs that have not ended; few, however many runs there are. */
export async function openQueues(query: Query): Promise<QueueRow[]> {
  const rows = await query<{ id: string; image_id: string | null; open: number; taken: number }>(
    OPEN_QUEUES,
  );
  const queues: QueueRow[] = [];
  for (const { id, image_id: imageId, open, taken } of rows) {
    const facts = knownQueues.get(id) ?? (await queueFacts(query, id));
    const { project, sweep, priority, submittedAt, image, demand } = facts;
    // Written out: a spread copy costs several times as much, and this is done for every claim.
    queues.push({
      id,
      project,
      sweep,
      priority,
      submittedAt,
      image,
      demand,
      imageId,
      open,
      taken,
    });
  }
  return queues;
}

export async function lanesOf(query: Query, queue: string): Promise<string[]> {
  const rows = await query<{ lane: string }>(LANES, [queue]);
  return rows.map(({ lane }) => lane);
}

/** So many runs are looked at together when somebody holds a lease on the first of them. */
export const PAGE = 100;

/** A run with all that granting it needs; `spec` is its cell, as JSON. */
export interface ClaimableRow {
  readonly id: string;
  readonly project: string;
  readonly sweep: string;
  readonly block: number;
  /** How many attempts it has had. */
  readonly attempt: number;
  readonly queue: string;
  /** Its place in the sweep. */
  readonly ord: number;
  readonly spec: string;
}

/** A lane of a queue behind one of its places. */
export interface Lane {
  readonly queue: string;
  readonly lane: string;
  /** -1: from the first place on. */
  readonly after: number;
}

/** The queued run of a lane that comes first. */
export async function firstOfLane(
  query: Query,
  { queue, lane, after }: Lane,
): Promise<ClaimableRow | undefined> {
  const [row] = await query<ClaimableRow>(FIRST_OF_LANE, [queue, lane, after]);
  return row;
}

const BEHIND = `select id, ord from p_runs
  where queue = $1 and state = 'queued' and lane = $2 and ord > $3 order by ord limit $4`;

/** Some queued runs, in their order. */
export type RunPage = readonly { readonly id: string; readonly ord: number }[];

/** The first queued runs of a lane. */
export const runsOfLane = (query: Query, { queue, lane, after }: Lane): Promise<RunPage> =>
  query<RunPage[number]>(BEHIND, [queue, lane, after, PAGE]);

/** All queued runs of a lane, a page at a time. */
export async function* pagesOf(query: Query, lane: Lane): AsyncGenerator<RunPage> {
  let { after } = lane;
  for (;;) {
    const page = await runsOfLane(query, { ...lane, after });
    yield page;
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined) return;
    after = last.ord;
  }
}

export async function claimable(query: Query, run: string): Promise<ClaimableRow | undefined> {
  const [row] = await query<ClaimableRow>(RUN, [run]);
  return row;
}

/** Frozen identity of the image of a queue's runs; null until it is known, or without one. */
export async function frozenImage(query: Query, queue: string): Promise<string | null> {
  const [row] = await query<{ image_id: string | null }>(IMAGE, [queue]);
  return row?.image_id ?? null;
}

/** What each claim and result asks of a sweep, and never changes; the list of its cells, which may be long, is not in it. */
export interface SweepTerms extends Pick<SweepFile, "lostAfter" | "repeats" | "warmup"> {
  readonly name: string;
  readonly thread: string;
  readonly primaryMetric: SweepFile["metrics"]["primary"];
  readonly phases: SweepFile["cell"]["phases"];
}

const knownTerms = new Map<string, SweepTerms>();

/** The terms of a sweep, read once: every claim needs them. */
export async function termsOf(query: Query, sweep: string): Promise<SweepTerms> {
  const known = knownTerms.get(sweep);
  if (known !== undefined) return known;
  const [row] = await query<{ name: string; thread: string; source: string }>(SWEEP, [sweep]);
  if (row === undefined) throw new ProblemError("NOT_FOUND", `there is no sweep ${sweep}`);
  const { lostAfter, repeats, warmup, metrics, cell } = JSON.parse(row.source) as SweepFile;
  const { name, thread } = row;
  const terms = { name, thread, lostAfter, repeats, warmup };
  return keep(knownTerms, sweep, {
    ...terms,
    primaryMetric: metrics.primary,
    phases: cell.phases,
  });
}

/** The GPUs that the sessions of a holder have in use. */
export async function heldGpus(query: Query, holder: string): Promise<string[]> {
  const rows = await query<{ gpus: string }>(HELD_GPUS, [holder]);
  return rows.flatMap(({ gpus }) => JSON.parse(gpus) as string[]);
}
