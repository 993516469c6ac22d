import type { Handlers } from "../contract/handlers.ts";
import type { Contract } from "../contract/index.ts";
import { ProblemError } from "../contract/problem.ts";
import type { RunState } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { liveAttempts } from "./attempt-store.ts";
import { orNothing } from "./claim.ts";
import { claimable, frozenImage, termsOf } from "./claim-store.ts";
import { completeAttempt, endOf } from "./complete.ts";
import { loseAttempt } from "./end.ts";
import { refuseMissing } from "./judge.ts";
import { pagesByHand } from "./hand-queue.ts";
import { firstFree } from "./not-busy.ts";
import type { CellsDeps, LeasePort } from "./ports.ts";
import { type Grant, grantSession, type SessionReply, sessionView } from "./session.ts";
import { isFinal } from "./state.ts";
import { findSweep } from "./sweep-store.ts";

type HandHandlers = Pick<
  Handlers<Contract["cells"]>,
  "claimByHand" | "renewClaim" | "completeClaim"
>;

const CLAIMS = "claims";
/** A session by hand has one run. */
const SESSION = `select a.id as attempt, a.holder, a.lease, r.sweep, r.state as run_state from p_attempts a join p_runs r on r.id = a.run
  where a.session = $1 and r.project = $2`;

interface Held {
  readonly attempt: string;
  readonly holder: string;
  readonly lease: string;
  readonly sweep: string;
  readonly run_state: RunState;
}

interface Own {
  readonly project: string;
  readonly session: string;
  readonly holder: string;
}

/** @throws ProblemError NOT_FOUND, FORBIDDEN for the claim of another */
async function ownSession(query: Query, { project, session, holder }: Own): Promise<Held> {
  const [held] = await query<Held>(SESSION, [session, project]);
  if (held === undefined) throw new ProblemError("NOT_FOUND", `there is no claim ${session}`);
  if (held.holder === holder) return held;
  throw new ProblemError("FORBIDDEN", `the claim ${session} was not granted to ${holder}`);
}

/**
 * The caller's claim as it is now, with its lease.
 * @throws ProblemError NOT_FOUND, FORBIDDEN, LEASE_NOT_HELD when it has ended, or its run without it
 */
async function liveClaim(
  query: Query,
  own: Own,
): Promise<{ readonly view: SessionReply; readonly lease: string }> {
  const { lease, run_state: state } = await ownSession(query, own);
  const view = await sessionView(query, own.session);
  if (view !== null && !isFinal(state)) return { view, lease };
  const why = view === null ? "" : `: its run is ${state}`;
  throw new ProblemError("LEASE_NOT_HELD", `the claim ${own.session} has ended${why}`, {
    next: "gridpost cell claim",
  });
}

/** A view gives the life of a node's lease; by hand the caller has chosen it. */
const livingFor = (view: SessionReply, ttlMs: number): SessionReply => ({
  ...view,
  lease: { ...view.lease, ttlMs },
});

interface HandClaim extends Pick<Grant, "id" | "holder" | "actor" | "ttlMs"> {
  readonly project: string;
  /** `""`: of any sweep. */
  readonly sweep: string;
  /** `""`: any run. */
  readonly wanted: string;
}

/** The best queued run whose lease the caller can have. */
async function claimOne(
  tx: LogTx,
  leases: LeasePort,
  { project, sweep, wanted, ...caller }: HandClaim,
): Promise<SessionReply | null> {
  const look = { at: tx, leases, project, holder: caller.holder };
  const queued = pagesByHand(tx.query, project, { sweep, run: wanted });
  const free = await firstFree(queued, look);
  const run = free === undefined ? undefined : await claimable(tx.query, free);
  if (run === undefined) return null;
  const image = await frozenImage(tx.query, run.queue);
  const grant = { ...caller, image, gpus: [] };
  const granted = await orNothing(grantSession(tx, leases, { run, grant }));
  if (granted !== null) await tx.setDeadline("claim.end", caller.id, tx.now + caller.ttlMs);
  return granted;
}

/** Claims by somebody without a daemon, by the rules of every claim; they live by their time alone. */
export function handHandlers({ log, leases }: CellsDeps): HandHandlers {
  return {
    claimByHand: async ({ params: { project }, body, principal, idempotency }) => {
      const { id: holder, actor } = principal;
      const { ttlMs, run: wanted = "" } = body;
      const ref = body.sweep;
      const sweep = ref === undefined ? "" : (await findSweep(log.query, project, ref)).id;
      const session = await log.once(
        callOf({ principal, idempotency }, [CLAIMS]),
        (tx, id) => claimOne(tx, leases, { id, holder, actor, project, sweep, wanted, ttlMs }),
        async (query, id) => {
          const view = await sessionView(query, id);
          return view === null ? null : livingFor(view, ttlMs);
        },
      );
      return { session };
    },
    renewClaim: ({ params: { project, session }, body: { ttlMs }, principal, idempotency }) => {
      const own = { project, session, holder: principal.id };
      return log.once(
        callOf({ principal, idempotency }, [CLAIMS], session),
        async (tx) => {
          const { view, lease } = await liveClaim(tx.query, own);
          const renewed = await leases.renew(tx, lease, ttlMs);
          if (!renewed && !(await leases.accepts(tx.query, lease)))
            throw new ProblemError(
              "LEASE_NOT_HELD",
              `the lease of claim ${session} was taken away`,
            );
          await tx.setDeadline("claim.end", session, tx.now + ttlMs);
          return livingFor(view, ttlMs);
        },
        async (query) => livingFor((await liveClaim(query, own)).view, ttlMs),
      );
    },
    completeClaim: async ({ params: { project, session }, body, principal, idempotency }) => {
      const { id: holder } = principal;
      const { attempt, sweep } = await ownSession(log.query, { project, session, holder });
      const report = { ...body.report, runtime: null, image: null, executions: [], evidence: [] };
      const ended = await log.once(
        callOf({ principal, idempotency }, [`attempt:${attempt}`, CLAIMS], attempt),
        async (tx) => {
          refuseMissing(report, await termsOf(tx.query, sweep));
          await tx.clearDeadline("claim.end", session);
          return completeAttempt(tx, leases, { attempt, holder, report });
        },
        (query) => endOf(query, attempt, holder),
      );
      return { ...ended, next: null };
    },
  };
}

const HOLDER = "select holder from p_attempts where session = $1";

/** The time of a claim by hand is over: its run waits for another. */
export const onClaimEnd =
  ({ leases }: Pick<CellsDeps, "leases">) =>
  async (tx: LogTx, session: string): Promise<void> => {
    const [row] = await tx.query<{ holder: string }>(HOLDER, [session]);
    const holder = row?.holder ?? "";
    const message = "the claim was not renewed in time";
    const live = await liveAttempts(tx.query, holder);
    for (const { id } of live.filter((one) => one.session === session))
      await loseAttempt(tx, leases, { attempt: id, holder, message });
  };
