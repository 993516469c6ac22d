import type { LogTx } from "../storage/log.ts";
import { finishIfDone } from "./finish.ts";
import { findSweep } from "./sweep-store.ts";

export interface Cancellation {
  readonly project: string;
  readonly sweep: string;
  readonly actor: string;
  readonly reason: string | null;
}

/**
 * Cancels every run of a sweep that has not ended; one that has ended as a whole stays as it is. What runs is told to
 * stop with its node's next beat, and keeps its GPUs until it says that it has.
 */
export async function cancelSweep(tx: LogTx, cancellation: Cancellation): Promise<void> {
  const { project, sweep, actor, reason } = cancellation;
  const row = await findSweep(tx.query, project, sweep);
  if (row.finished_at !== null) return;
  await tx.append({ type: "sweep.cancelled", project, actor, body: { id: sweep, reason } });
  await finishIfDone(tx, project, sweep);
}
