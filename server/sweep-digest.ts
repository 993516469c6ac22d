import { followersOf, lastNotice, type Notice } from "../mailbox/following.ts";
import { postAsServer } from "../mailbox/server-post.ts";
import type { DeadlineKinds } from "../storage/deadlines.ts";
import type { LogTx } from "../storage/log.ts";
import { countsText } from "./sweep-entries.ts";

/** The kind of deadline at which followers of a sweep hear what has happened; its subject is the sweep. */
const DIGEST = "sweep.digest";
/** The least time between two digests. */
const EVERY_MS = 15 * 60_000;

const PENDING = "select 1 from e_deadlines where kind = $1 and subject = $2";
const SWEEP = `select project, thread, name, runs from p_sweeps
  where id = $1 and finished_at is null`;
const COUNTS = `select state, count(*) as runs, sum(case when finished_at > $2 then 1 else 0 end) as fresh
  from p_runs where sweep = $1 group by state order by state`;

interface SweepRow {
  readonly project: string;
  readonly thread: string;
  readonly name: string;
  readonly runs: number;
}

interface CountRow {
  readonly state: string;
  readonly runs: number;
  /** Of these: how many ended since the digest before. */
  readonly fresh: number;
}

/** Something happened that nobody was told of: a digest will, in a quarter of an hour, unless one is due sooner. */
export async function setDigest(tx: LogTx, sweep: string): Promise<void> {
  const pending = await tx.query(PENDING, [DIGEST, sweep]);
  if (pending.length === 0) await tx.setDeadline(DIGEST, sweep, tx.now + EVERY_MS);
}

/** There is nothing more to tell. */
export const clearDigest = (tx: LogTx, sweep: string): Promise<void> =>
  tx.clearDeadline(DIGEST, sweep);

/** The deadlines of digests to those who follow the threads of sweeps. */
export const sweepDigestDeadlines = (): DeadlineKinds => ({ [DIGEST]: { fire: postDigest } });

async function postDigest(tx: LogTx, sweep: string): Promise<void> {
  const [row] = await tx.query<SweepRow>(SWEEP, [sweep]);
  if (row === undefined) return;
  const { project, thread } = row;
  if ((await followersOf(tx.query, project, thread)).length === 0) return;
  const notice: Notice = { name: `digest:${sweep}`, everyMs: EVERY_MS };
  const last = await lastNotice(tx.query, { project, thread, notice });
  const counts = await tx.query<CountRow>(COUNTS, [sweep, last ?? 0]);
  if (counts.every(({ fresh }) => fresh === 0)) return;
  await postAsServer(tx, { project, thread, open: true, ...digestEntry(row, counts), notice });
}

/** How many runs ended since the digest before, and where the sweep stands. */
function digestEntry(
  { name, runs }: SweepRow,
  counts: readonly CountRow[],
): { readonly subject: string; readonly body: string } {
  const fresh = counts.filter((count) => count.fresh > 0);
  const ended = fresh.reduce((sum, count) => sum + count.fresh, 0);
  const since = countsText(Object.fromEntries(fresh.map((count) => [count.state, count.fresh])));
  const now = countsText(Object.fromEntries(counts.map((count) => [count.state, count.runs])));
  return {
    subject: `Sweep ${name}: ${ended} more ${ended === 1 ? "run has" : "runs have"} ended`,
    body: `Since the last digest: ${since || "nothing"}.\n\nOf ${runs} runs: ${now}.`,
  };
}
