import type { AttemptReport, Outcome, RunState } from "../contract/run.ts";
import type { LogTx } from "../storage/log.ts";
import { type AttemptRow, isLive, ownAttempt } from "./attempt-store.ts";
import { queueFacts, termsOf } from "./claim-store.ts";
import { couldRun } from "./match.ts";
import { knownNodes } from "./node-store.ts";
import type { LeasePort } from "./ports.ts";
import { nodeOf } from "./session.ts";
import { isFinal, isInfrastructure, MAX_RETRIES, nodesOf, stateAfter } from "./state.ts";
import { finishIfDone } from "./finish.ts";

/** What becomes of the run of an attempt that ends so. */
export async function nextState(
  tx: LogTx,
  attempt: AttemptRow,
  outcome: Outcome,
): Promise<RunState> {
  const { retries } = attempt;
  const mayRetry = isInfrastructure(outcome) && retries < MAX_RETRIES;
  return stateAfter({
    outcome,
    retries,
    elsewhere: mayRetry && (await canGoElsewhere(tx, attempt)),
  });
}

/** Whether a node that has not spoiled the run yet could run it, though it may be away or busy now. */
async function canGoElsewhere(tx: LogTx, attempt: AttemptRow): Promise<boolean> {
  const node = nodeOf(attempt.holder);
  // What somebody gave up by hand, anybody may take up.
  if (node === null) return true;
  const spoiled = new Set([...nodesOf(attempt.lane), node]);
  const { demand } = await queueFacts(tx.query, attempt.queue);
  const nodes = await knownNodes(tx.query);
  return nodes.some(({ name, inventory }) => !spoiled.has(name) && couldRun(demand, inventory));
}

/** What became of a run, and who says so. */
export interface Settled {
  readonly state: RunState;
  readonly actor: string;
  /** The report that brought it, with what was measured; left out when there is none. */
  readonly report?: AttemptReport | null;
  readonly measuredId?: string | null;
}

/** Tells what became of a run; when it was the sweep's last one, the sweep has finished. */
export async function settleRun(
  tx: LogTx,
  attempt: AttemptRow,
  { state, actor, report = null, measuredId = null }: Settled,
): Promise<void> {
  const { id, run, sweep, project, holder } = attempt;
  const body = { run, sweep, attempt: id, report, measuredId };
  if (state === "queued") {
    const avoid = nodeOf(holder);
    await tx.append({ type: "run.requeued", project, actor, body: { ...body, avoid } });
    const { lostAfter } = await termsOf(tx.query, sweep);
    if (avoid !== null || attempt.lane !== "")
      await tx.setDeadline("run.stranded", run, tx.now + lostAfter);
    return;
  }
  if (state === "succeeded") await tx.append({ type: "run.succeeded", project, actor, body });
  else await tx.append({ type: "run.failed", project, actor, body: { ...body, state } });
  if (attempt.queue_open === 1) await finishIfDone(tx, project, sweep);
}

/** Gives the session's lease back when its last attempt ends; tells whether work under the lease counted until now. */
export async function leaveSession(
  tx: LogTx,
  leases: LeasePort,
  attempt: AttemptRow,
): Promise<boolean> {
  const { lease, holder, siblings } = attempt;
  if (siblings > 0) return leases.accepts(tx.query, lease);
  return leases.release(tx, { lease, actor: holder, kept: nodeOf(holder) !== null });
}

/** The server gives an attempt up; its run goes to another node, or ends. */
export async function loseAttempt(
  tx: LogTx,
  leases: LeasePort,
  lost: { readonly attempt: string; readonly holder: string; readonly message: string },
): Promise<void> {
  const attempt = await ownAttempt(tx.query, lost.attempt, lost.holder);
  const { id, run, sweep, project } = attempt;
  const ended = isFinal(attempt.run_state);
  const state = ended ? attempt.run_state : await nextState(tx, attempt, "lost");
  const body = { attempt: id, run, sweep, message: lost.message, state };
  await tx.append({ type: "attempt.lost", project, actor: "server", body });
  if (isLive(attempt) && attempt.siblings === 0) await leases.lapse(tx, attempt.lease);
  if (!ended) await settleRun(tx, attempt, { state, actor: "server" });
}
