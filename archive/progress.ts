import type { Log } from "../storage/log.ts";
import { EPOCH_GAP } from "../contract/epoch.ts";
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

const OLDEST = `select at, (select max(seq) from events) as last,
  (select count(*) from p_epochs where last_seq >= $1) as epochs from events where seq > $1 order by seq limit 1`;

interface Row {
  readonly at: number;
  readonly last: number;
  readonly epochs: number;
}

export async function progressOf(
  log: Log,
  { commit, error }: Pick<Progress, "commit" | "error">,
): Promise<Progress> {
  const archivedSeq = await placedSeq(log.query);
  const [row] = await log.query<Row>(OLDEST, [archivedSeq]);
  return {
    lastSeq: row?.last ?? archivedSeq,
    archivedSeq,
    // Places leave no gap but the one before each epoch.
    lagEvents: row === undefined ? 0 : row.last - archivedSeq - row.epochs * (EPOCH_GAP - 1),
    lagSeconds: row === undefined ? 0 : Math.max(0, log.now() - row.at) / 1_000,
    commit,
    error,
  };
}
