import type { EventBody } from "../contract/events/index.ts";
import type { RunState } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import type { Apply, Event } from "../storage/log.ts";
import { insertRows } from "./insert-rows.ts";
import { laneWith } from "./state.ts";

const ATTEMPT = `insert into p_attempts (id, run, n, session, holder, lease, fence, gpus, state, claimed_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, 'claimed', $9)`;
const CLAIM = "update p_runs set state = 'claimed', attempt = $2 where id = $1";
const ITS_QUEUE = "where id = (select queue from p_runs where id = $1)";
const TAKE = `update p_queues set taken = taken + 1 ${ITS_QUEUE}`;
const START_ATTEMPT = `update p_attempts set state = 'running', started_at = $2, runtime = $3, image = $4
  where id = $1`;
const START_RUN = "update p_runs set state = 'running', started_at = $2 where id = $1";
const END_ATTEMPT = `update p_attempts set state = $2, finished_at = $3, runtime = $4, image = $5, outcome = $6,
  message = $7, measured_id = $8, report = $9 where id = $1`;
/** Why it was given up stays known. */
const SUPERSEDE = `update p_attempts set state = 'superseded', finished_at = $2, runtime = $3, image = $4,
  outcome = coalesce(outcome, $5), message = coalesce(message, $6), report = $7 where id = $1`;
const LOSE_ATTEMPT = `update p_attempts set state = 'lost', finished_at = $2, outcome = 'lost', message = $3
  where id = $1`;
const LANE = "select lane from p_runs where id = $1";
const END_RUN = "update p_runs set state = $2, finished_at = $3 where id = $1";
const REQUEUE = `update p_runs set state = 'queued', lane = $2, retries = retries + 1, queued_at = $3, started_at = null
  where id = $1`;
/** Before the run itself changes: one that was queued again is not counted as taken. */
const GIVE_BACK = `taken = taken - (select count(*) from p_runs where id = $1 and state in ('claimed', 'running'))`;
const BACK = `update p_queues set ${GIVE_BACK} ${ITS_QUEUE}`;
const OUT = `update p_queues set open = open - 1, ${GIVE_BACK} ${ITS_QUEUE}`;

async function granted(query: Query, { at, body }: Event): Promise<void> {
  const {
    id: session,
    holder,
    lease,
    fence,
    gpus,
    attempts,
  } = body as EventBody<"session.granted">;
  const uuids = JSON.stringify(gpus);
  for (const { id, run, n } of attempts) {
    await query(ATTEMPT, [id, run, n, session, holder, lease, fence, uuids, at]);
    await query(CLAIM, [run, n]);
    await query(TAKE, [run]);
  }
}

async function started(query: Query, { at, body }: Event): Promise<void> {
  const { attempt, run, runtime, image } = body as EventBody<"attempt.started">;
  await query(START_ATTEMPT, [attempt, at, runtime, image]);
  await query(START_RUN, [run, at]);
}

type Report = EventBody<"attempt.superseded">["report"];
type End = Pick<EventBody<"run.failed">, "attempt" | "report" | "measuredId">;

/** Values of an accepted result are rows; what an attempt that did not succeed printed stays with its report. */
async function finishAttempt(query: Query, at: number, end: End): Promise<void> {
  const { attempt, report, measuredId } = end;
  if (report === null) return;
  const accepted = report.outcome === "ok";
  const kept: Report = accepted ? { ...report, samples: [] } : report;
  await query(END_ATTEMPT, endOf(attempt, ["finished", at], [kept, measuredId]));
  if (!accepted || report.samples.length === 0) return;
  await insertRows(
    query,
    "p_samples (attempt, repeat, metric, statistic, value, unit, n)",
    report.samples.map((one) => [
      attempt,
      one.repeat,
      one.metric,
      one.statistic,
      one.value,
      one.unit,
      one.n,
    ]),
  );
}

async function superseded(query: Query, { at, body }: Event): Promise<void> {
  const { attempt, report } = body as EventBody<"attempt.superseded">;
  const { runtime, image, message } = report;
  const outcome = report.outcome === "ok" ? "superseded" : report.outcome;
  await query(SUPERSEDE, [attempt, at, runtime, image, outcome, message, JSON.stringify(report)]);
}

const endOf = (
  attempt: string,
  [state, at]: readonly [string, number],
  [report, measuredId]: readonly [Report, string | null],
): unknown[] => [
  attempt,
  state,
  at,
  report.runtime,
  report.image,
  report.outcome,
  report.message,
  measuredId,
  JSON.stringify(report),
];

async function lost(query: Query, { at, body }: Event): Promise<void> {
  const { attempt, message } = body as EventBody<"attempt.lost">;
  await query(LOSE_ATTEMPT, [attempt, at, message]);
}

async function requeued(query: Query, { at, body }: Event): Promise<void> {
  const end = body as EventBody<"run.requeued">;
  const { run, avoid } = end;
  await finishAttempt(query, at, end);
  const [row] = await query<{ lane: string }>(LANE, [run]);
  const lane = row?.lane ?? "";
  await query(BACK, [run]);
  await query(REQUEUE, [run, avoid === null ? lane : laneWith(lane, avoid), at]);
}

const ended =
  (stateOf: (body: unknown) => RunState): Apply =>
  async (query, { at, body }) => {
    const end = body as EventBody<"run.failed">;
    const { run } = end;
    await finishAttempt(query, at, end);
    await query(OUT, [run]);
    await query(END_RUN, [run, stateOf(body), at]);
  };

export const runApply: Readonly<Record<string, Apply>> = {
  "session.granted": granted,
  "attempt.started": started,
  "attempt.superseded": superseded,
  "attempt.lost": lost,
  "run.requeued": requeued,
  "run.succeeded": ended(() => "succeeded"),
  "run.failed": ended((body) => (body as EventBody<"run.failed">).state),
};
