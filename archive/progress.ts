import type { Log } from "../storage/log.ts";
import { placedSeq } from "./places.ts";

/** How far the archive follows the log. */
export interface Progress {
  readonly lastSeq: number;
  readonly archivedSeq: number;
  readonly lagEvents: number;
  /** Age of the oldest event that is not archived; 0 if there is none. */
  readonly lagSeconds: number;
  /** Head of the journal; null before the first batch, or when the journal cannot be read. */
  readonly commit: string | null;
  /** Why the last batch failed; null when it did not. */
  readonly error: string | null;
}

const OLDEST = `select at, (select count(*) from events where seq > $1) as waiting,
  (select max(seq) from events) as last from events where seq > $1 order by seq limit 1`;

export async function progressOf(
  log: Log,
  { commit, error }: Pick<Progress, "commit" | "error">,
): Promise<Progress> {
  const archivedSeq = await placedSeq(log.query);
  const [row] = await log.query<{ at: number; waiting: number; last: number }>(OLDEST, [
    archivedSeq,
  ]);
  return {
    lastSeq: row?.last ?? archivedSeq,
    archivedSeq,
    lagEvents: row?.waiting ?? 0,
    lagSeconds: row === undefined ? 0 : Math.max(0, log.now() - row.at) / 1_000,
    commit,
    error,
  };
}
