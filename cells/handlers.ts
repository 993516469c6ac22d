import { expandSweep } from "../contract/cell/expand.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { Contract } from "../contract/index.ts";
import { numberCursor } from "../contract/page.ts";
import type { Query } from "../storage/db.ts";
import { callOf } from "../storage/idempotency.ts";
import { handHandlers } from "./by-hand.ts";
import { cancelSweep } from "./cancel.ts";
import { readRunLog } from "./run-log.ts";
import type { CellsDeps } from "./ports.ts";
import { storeFiles, submitSweep } from "./submit.ts";
import { cellPage, findRun, findSweep, runPage, sweepPage } from "./sweep-store.ts";
import type { Look } from "./under-leases.ts";
import { attemptsOf, runView, sweepView } from "./views.ts";
import { waitUntil } from "./wait.ts";
import { workHandlers } from "./work-handlers.ts";

type CellsHandlers = Handlers<Contract["cells"]>;

/** Handlers of the sweeps', runs' and attempts' endpoints. */
export function cellsHandlers(deps: CellsDeps): CellsHandlers {
  return {
    ...workHandlers(deps),
    ...handHandlers(deps),
    ...sweepHandlers(deps),
    ...runHandlers(deps),
  };
}

type SweepHandlers = Pick<CellsHandlers, "submitSweep" | "sweeps" | "sweep" | "cancelSweep">;

function sweepHandlers({ log, leases, blobs, threads, settings }: CellsDeps): SweepHandlers {
  const look = (query: Query): Look => ({ at: { query, now: log.now() }, leases });
  const show = async (query: Query, project: string, sweep: string): ReturnType<typeof sweepView> =>
    sweepView(look(query), await findSweep(query, project, sweep));
  return {
    submitSweep: async ({ params: { project }, body, principal, idempotency }) => {
      const { sweep } = body;
      const files = await storeFiles(blobs, sweep, body.files);
      // Outside the transaction: nothing else can be written while a large matrix expands.
      const { cells } = expandSweep(sweep, files);
      return log.once(
        callOf({ principal, idempotency }, [`sweeps:${project}`]),
        async (tx, id) => {
          if (sweep.thread !== undefined)
            await threads.refusePrivate(tx.query, project, sweep.thread);
          const { actor } = principal;
          const submitted = await submitSweep(tx, { id, project, actor, sweep, cells });
          await threads.begin(tx, submitted);
          await tx.setDeadline("sweep.idle", id, tx.now + settings.idleMs);
          return show(tx.query, project, id);
        },
        (query, id) => show(query, project, id),
      );
    },
    sweeps: async ({ params: { project }, query: { after, limit } }) => {
      const page = await sweepPage(log.query, project, { after, limit: limit + 1 });
      const shown = page.slice(0, limit);
      const sweeps = [];
      for (const row of shown) sweeps.push(await sweepView(look(log.query), row));
      return { sweeps, next: page.length > limit ? (shown.at(-1)?.id ?? null) : null };
    },
    sweep: async ({ params: { project, sweep }, query: { wait }, signal }) => {
      const { id } = await findSweep(log.query, project, sweep);
      const over = async (): Promise<boolean> =>
        (await findSweep(log.query, project, id)).finished_at !== null;
      await waitUntil(log.db, over, { ms: wait, signal });
      return show(log.query, project, id);
    },
    cancelSweep: async ({ params: { project, sweep }, body, principal, idempotency }) => {
      const { id } = await findSweep(log.query, project, sweep);
      const { actor } = principal;
      const reason = body.reason ?? null;
      return log.once(
        callOf({ principal, idempotency }, [`sweep:${id}`, "claims"], id),
        async (tx) => {
          await cancelSweep(tx, { project, sweep: id, actor, reason });
          return show(tx.query, project, id);
        },
        (query) => show(query, project, id),
      );
    },
  };
}

type RunHandlers = Pick<CellsHandlers, "cellsOf" | "runs" | "run" | "runLogs">;

function runHandlers({ log, blobs }: CellsDeps): RunHandlers {
  return {
    cellsOf: async ({ params: { project, sweep }, query: { after, limit } }) => {
      const { id } = await findSweep(log.query, project, sweep);
      const found = await cellPage(log.query, { sweep: id, ...rangeOf(after, limit) });
      const cells = found.slice(0, limit).map(({ cell }) => cell);
      return { cells, next: nextOf(found, limit) };
    },
    runs: async ({ params: { project, sweep }, query: { after, limit, state } }) => {
      const { id } = await findSweep(log.query, project, sweep);
      const found = await runPage(log.query, { sweep: id, state, ...rangeOf(after, limit) });
      return { runs: found.slice(0, limit).map(runView), next: nextOf(found, limit) };
    },
    run: async ({ params: { project, run } }) => {
      const row = await findRun(log.query, project, run);
      return { ...runView(row), attempts: await attemptsOf(log.query, run) };
    },
    runLogs: async ({ params: { project, run }, query, signal }) =>
      readRunLog({ log, blobs }, { project, run, ...query, signal }),
  };
}

/** The cursor of places is the place of the last one shown; one more is read to see whether there are more. */
const rangeOf = (after: string | undefined, limit: number): { after: number; limit: number } => ({
  after: numberCursor(after, -1),
  limit: limit + 1,
});

const nextOf = (found: readonly { readonly ord: number }[], limit: number): string | null =>
  found.length > limit ? String(found[limit - 1]?.ord) : null;
