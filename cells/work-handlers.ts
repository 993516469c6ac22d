import type { Handlers } from "../contract/handlers.ts";
import type { Contract } from "../contract/index.ts";
import { callOf } from "../storage/idempotency.ts";
import { isLive, ownAttempt } from "./attempt-store.ts";
import { claimNext } from "./claim.ts";
import { completeAttempt, endOf } from "./complete.ts";
import { cellFile, requireEvidence, storeEvidence } from "./evidence.ts";
import { appendLog } from "./logs.ts";
import type { CellsDeps } from "./ports.ts";
import { sessionView } from "./session.ts";
import { startAttempt } from "./start.ts";

type WorkHandlers = Pick<
  Handlers<Contract["cells"]>,
  "claim" | "start" | "complete" | "appendLog" | "cellFile" | "putEvidence"
>;

/** Every claim looks at all queues, so claims come one after the other. */
const CLAIMS = "claims";

/** What a node calls to work: claim, start, report, and the files around it. */
export function workHandlers({ log, leases, blobs }: CellsDeps): WorkHandlers {
  return {
    claim: async ({ body: capacity, principal, idempotency }) => {
      const { name } = principal;
      const session = await log.once(
        callOf({ principal, idempotency }, [CLAIMS]),
        (tx, id) => claimNext(tx, leases, { node: name, session: id, capacity }),
        sessionView,
      );
      return { session };
    },
    start: async ({ params, body, principal, idempotency }) => {
      const start = { ...params, ...body, holder: principal.id };
      const call = callOf(
        { principal, idempotency },
        [`attempt:${params.attempt}`],
        params.attempt,
      );
      const nothing = (): Promise<void> => Promise.resolve();
      await log.once(call, (tx) => startAttempt(tx, start), nothing);
      return { ok: true };
    },
    complete: async ({ params: { attempt }, body: { report, next }, principal, idempotency }) => {
      const { id: holder, name } = principal;
      const completion = { attempt, holder, report };
      await requireEvidence(blobs, report.evidence);
      return log.once(
        callOf({ principal, idempotency }, [`attempt:${attempt}`, CLAIMS]),
        async (tx, session) => {
          const { run, state, accepted } = await completeAttempt(tx, leases, completion);
          if (next === null) return { run, state, accepted, next };
          const claim = { node: name, session, capacity: next };
          return { run, state, accepted, next: await claimNext(tx, leases, claim) };
        },
        async (query, session) => ({
          ...(await endOf(query, attempt, holder)),
          next: await sessionView(query, session),
        }),
      );
    },
    appendLog: async ({ params: { attempt }, body, principal }) => {
      const next = await log.tx([`attempt:${attempt}`], async (tx) => {
        const { state } = await ownAttempt(tx.query, attempt, principal.id);
        return isLive({ state })
          ? appendLog(tx, attempt, body)
          : body.offset + Buffer.byteLength(body.text);
      });
      return { next };
    },
    cellFile: async ({ params: { attempt, sha256 }, principal }) => {
      const { cell } = await ownAttempt(log.query, attempt, principal.id);
      return cellFile({ query: log.query, blobs }, cell, sha256);
    },
    putEvidence: async ({ params: { attempt, sha256 }, body, principal }) => {
      await ownAttempt(log.query, attempt, principal.id);
      return storeEvidence(blobs, sha256, body.content);
    },
  };
}
