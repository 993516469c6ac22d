import { durationText } from "../contract/units.ts";
import type { LogTx } from "../storage/log.ts";
import { cancelSweep } from "./cancel.ts";
import type { CellsDeps } from "./ports.ts";

const SWEEP = "select project, submitted_at, finished_at from p_sweeps where id = $1";
const LAST = `select max(coalesce(a.finished_at, case when a.state in ('claimed', 'running') then $2 else a.claimed_at end)) as at
  from p_runs r join p_attempts a on a.run = r.id where r.sweep = $1`;

interface Row {
  readonly project: string;
  readonly submitted_at: number;
  readonly finished_at: number | null;
}

/** No sweep waits for ever: one of which nothing was taken up and nothing ended for long is cancelled. */
export const onIdle =
  ({ settings }: Pick<CellsDeps, "settings">) =>
  async (tx: LogTx, sweep: string): Promise<void> => {
    const [row] = await tx.query<Row>(SWEEP, [sweep]);
    if (row === undefined || row.finished_at !== null) return;
    const [last] = await tx.query<{ at: number | null }>(LAST, [sweep, tx.now]);
    const due = Math.max(row.submitted_at, last?.at ?? 0) + settings.idleMs;
    if (due > tx.now) {
      await tx.setDeadline("sweep.idle", sweep, due);
      return;
    }
    const reason = `nothing of it was taken up or ended for ${durationText(settings.idleMs)}`;
    await cancelSweep(tx, { project: row.project, sweep, actor: "server", reason });
  };
