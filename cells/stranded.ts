import type { Outcome } from "../contract/run.ts";
import type { LogTx } from "../storage/log.ts";
import { isAble } from "./able.ts";
import { ownAttempt } from "./attempt-store.ts";
import { queueFacts, termsOf } from "./claim-store.ts";
import { settleRun } from "./end.ts";
import { knownNodes } from "./node-store.ts";
import { stateAfter } from "./state.ts";

/** What a superseded attempt reported says nothing of its run. */
const RUN = `select r.state, r.queued_at, r.sweep, a.id as attempt, a.holder,
    case when a.state = 'superseded' then 'lost' else a.outcome end as outcome
  from p_runs r join p_attempts a on a.run = r.id and a.n = r.attempt where r.id = $1`;

interface Row {
  readonly state: string;
  readonly queued_at: number;
  readonly sweep: string;
  readonly attempt: string;
  readonly holder: string;
  readonly outcome: Outcome;
}

/**
 * A run that a node has failed waits for another one: for `lostAfter`, counted from the last sign of life of those that
 * could take it. When that is over it ends as its last attempt did.
 */
export async function onStranded(tx: LogTx, run: string): Promise<void> {
  const [row] = await tx.query<Row>(RUN, [run]);
  if (row === undefined || row.state !== "queued") return;
  const attempt = await ownAttempt(tx.query, row.attempt, row.holder);
  const ask = {
    ...(await queueFacts(tx.query, attempt.queue)),
    imageId: attempt.frozen_image,
    lane: attempt.lane,
  };
  const able = (await knownNodes(tx.query)).filter((node) => isAble(ask, node));
  const heard = Math.max(row.queued_at, ...able.map(({ beatAt }) => beatAt ?? 0));
  const { lostAfter } = await termsOf(tx.query, row.sweep);
  const due = heard + lostAfter;
  if (able.length > 0 && due > tx.now) {
    await tx.setDeadline("run.stranded", run, due);
    return;
  }
  const { outcome } = row;
  const state = stateAfter({ outcome, retries: attempt.retries, elsewhere: false });
  await settleRun(tx, attempt, { state, actor: "server" });
}
