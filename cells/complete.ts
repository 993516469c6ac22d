import { measuredIdOf } from "../contract/cell/cell-id.ts";
import type { AttemptReport, RunState } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { type AttemptRow, isLive, ownAttempt } from "./attempt-store.ts";
import { termsOf } from "./claim-store.ts";
import { leaveSession, nextState, settleRun } from "./end.ts";
import { judged } from "./judge.ts";
import type { LeasePort } from "./ports.ts";
import { isFinal, isInfrastructure } from "./state.ts";

/** What a completion answers, without the next session. */
export interface Ended {
  readonly run: string;
  readonly state: RunState;
  readonly accepted: boolean;
}

export interface Completion {
  readonly attempt: string;
  /** The caller. */
  readonly holder: string;
  readonly report: AttemptReport;
}

/**
 * Takes the report of an attempt, once: a repeat changes nothing. The report counts if the run's fence is still the
 * attempt's and its lease was not taken over; otherwise it is kept as superseded evidence, and a run that nobody works on
 * any more goes to another node, or ends.
 * @throws ProblemError NOT_FOUND, FORBIDDEN (another's attempt), UNPROCESSABLE
 */
export async function completeAttempt(
  tx: LogTx,
  leases: LeasePort,
  { attempt: id, holder, report: raw }: Completion,
): Promise<Ended> {
  const attempt = await ownAttempt(tx.query, id, holder);
  const { run, run_state: state, project } = attempt;
  if (attempt.state === "finished") return { run, state, accepted: true };
  if (attempt.state === "superseded") return { run, state, accepted: false };
  const live = isLive(attempt);
  const underLease = live
    ? await leaveSession(tx, leases, attempt)
    : await leases.accepts(tx.query, attempt.lease);
  if (underLease && holdsRun(attempt)) {
    const report = await judge(tx, attempt, raw);
    if (live || !isInfrastructure(report.outcome)) return accept(tx, attempt, report);
  }
  const body = { attempt: id, run, report: raw };
  await tx.append({ type: "attempt.superseded", project, actor: holder, body });
  if (!live || !holdsRun(attempt)) return { run, state, accepted: false };
  const next = await nextState(tx, attempt, "lost");
  await settleRun(tx, attempt, { state: next, actor: "server" });
  return { run, state: next, accepted: false };
}

/**
 * Whether nobody has replaced the attempt: its number is the run's fence. So one that was given up may still deliver
 * while its run waits, unless its lease was taken away by force, or all it has to say is that it was given up.
 */
const holdsRun = ({ n, latest, run_state: state }: AttemptRow): boolean =>
  latest === n && !isFinal(state);

/** What an earlier completion answered, as it is now. */
export async function endOf(query: Query, attempt: string, holder: string): Promise<Ended> {
  const row = await ownAttempt(query, attempt, holder);
  return { run: row.run, state: row.run_state, accepted: row.state === "finished" };
}

async function judge(
  tx: LogTx,
  attempt: AttemptRow,
  report: AttemptReport,
): Promise<AttemptReport> {
  const { repeats, primaryMetric } = await termsOf(tx.query, attempt.sweep);
  return judged(report, { repeats, primaryMetric, frozenImage: attempt.frozen_image });
}

async function accept(tx: LogTx, attempt: AttemptRow, report: AttemptReport): Promise<Ended> {
  const { run, holder, cell } = attempt;
  const state = await nextState(tx, attempt, report.outcome);
  const { runtime, image } = report;
  const measuredId = runtime === null ? null : measuredIdOf(cell, { image, runtime });
  await settleRun(tx, attempt, { state, actor: holder, report, measuredId });
  return { run, state, accepted: true };
}
