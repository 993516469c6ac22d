import { ProblemError } from "../contract/problem.ts";
import type { RunState } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";

export type AttemptState = "claimed" | "running" | "finished" | "lost" | "superseded";

/** An attempt with what surrounds it. */
export interface AttemptRow {
  readonly id: string;
  readonly state: AttemptState;
  readonly holder: string;
  readonly run: string;
  /** Its number. */
  readonly n: number;
  readonly run_state: RunState;
  /** The number of the run's latest attempt. */
  readonly latest: number;
  readonly lane: string;
  readonly retries: number;
  readonly cell: string;
  readonly project: string;
  readonly sweep: string;
  readonly lease: string;
  /** How many other attempts of the session go on. */
  readonly siblings: number;
  readonly queue: string;
  /** How many runs of the queue have not ended. */
  readonly queue_open: number;
  readonly frozen_image: string | null;
}

/** What the liveness of an attempt is judged by. */
export interface LiveRow {
  readonly id: string;
  readonly session: string;
  readonly lease: string;
  readonly claimed_at: number;
  readonly run_state: RunState;
  readonly lost_after_ms: number;
  readonly budget_ms: number;
}

const ATTEMPT = `select a.id, a.state, a.holder, a.run, a.n, a.lease,
    (select count(*) from p_attempts o
      where o.holder = a.holder and o.session = a.session and o.id <> a.id and o.state in ('claimed', 'running')) as siblings,
    r.state as run_state, r.attempt as latest, r.lane, r.retries, r.cell, r.project, r.sweep, r.queue,
    q.open as queue_open, q.image_id as frozen_image
  from p_attempts a join p_runs r on r.id = a.run join p_queues q on q.id = r.queue`;
const BY_ID = `${ATTEMPT} where a.id = $1`;
const LIVE = `select a.id, a.session, a.claimed_at, a.lease, r.state as run_state, w.lost_after_ms, w.budget_ms
  from p_attempts a join p_runs r on r.id = a.run join p_sweeps w on w.id = r.sweep
  where a.holder = $1 and a.state in ('claimed', 'running') order by a.claimed_at, a.id`;

/** Whether somebody still works on it, as far as the server knows. */
export const isLive = ({ state }: Pick<AttemptRow, "state">): boolean =>
  state === "claimed" || state === "running";

/**
 * An attempt that its own holder calls about.
 * @throws ProblemError NOT_FOUND, or FORBIDDEN for the attempt of another
 */
export async function ownAttempt(query: Query, id: string, holder: string): Promise<AttemptRow> {
  const [row] = await query<AttemptRow>(BY_ID, [id]);
  if (row === undefined) throw new ProblemError("NOT_FOUND", `there is no attempt ${id}`);
  if (row.holder === holder) return row;
  throw new ProblemError("FORBIDDEN", `the attempt ${id} was not granted to ${holder}`, {
    next: "report only attempts that your own claims returned",
  });
}

/** Everything that a holder works on. */
export const liveAttempts = (query: Query, holder: string): Promise<LiveRow[]> =>
  query<LiveRow>(LIVE, [holder]);
