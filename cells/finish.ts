import type { RunState } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";

const OPEN = "select coalesce(sum(open), 0) as open from p_queues where sweep = $1";
const COUNTS = "select state, count(*) as runs from p_runs where sweep = $1 group by state";
const THREAD = "select thread from p_sweeps where id = $1";

/** How many runs of a sweep are in each state. */
export async function stateCounts(
  query: Query,
  sweep: string,
): Promise<Partial<Record<RunState, number>>> {
  const rows = await query<{ state: RunState; runs: number }>(COUNTS, [sweep]);
  return Object.fromEntries(rows.map(({ state, runs }) => [state, runs]));
}

/** Says that a sweep has finished if none of its runs is open. Called once, after the last of them ended. */
export async function finishIfDone(tx: LogTx, project: string, sweep: string): Promise<void> {
  const [left] = await tx.query<{ open: number }>(OPEN, [sweep]);
  if (left?.open !== 0) return;
  const [row] = await tx.query<{ thread: string }>(THREAD, [sweep]);
  const states = await stateCounts(tx.query, sweep);
  await tx.append({
    type: "sweep.finished",
    project,
    actor: "server",
    body: { id: sweep, thread: row?.thread, states },
  });
}
