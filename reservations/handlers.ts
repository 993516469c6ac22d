import type { CallContext, Handlers, Principal } from "../contract/handlers.ts";
import type { reservations } from "../contract/reservations.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { grant, releaseLease } from "./grant.ts";
import { holderPrincipal, isHeld } from "./rules.ts";
import { checkTtl, type LeaseSettings } from "./settings.ts";
import { heldLeases, leaseById, type LeaseRow } from "./store.ts";
import { leaseView } from "./view.ts";

export interface ReservationsDeps {
  readonly log: EventLog;
  readonly settings: LeaseSettings;
}

export const lockKey = (project: string): string => `lease:${project}`;

export function reservationsHandlers(deps: ReservationsDeps): Handlers<typeof reservations> {
  const { log, settings } = deps;
  const { dialect } = log.db;
  return {
    acquire: async ({ params: { project }, body, ...context }) => {
      checkTtl(body.ttlMs, settings);
      const decide = async (tx: LogTx, id: string) => {
        await grant(tx, dialect, {
          id,
          project,
          holder: context.principal.id,
          actor: context.principal.actor,
          mode: body.mode,
          resources: body.resources,
          refs: null,
          session: null,
          ttlMs: body.ttlMs,
          reason: body.reason ?? null,
          thread: body.thread ?? null,
        });
        return leaseView(await existing(tx.query, project, id));
      };
      return log.once(callOf(context, [lockKey(project)]), decide, async (query, id) => {
        const lease = await existing(query, project, id);
        if (!isHeld(lease.state)) throw notHeld(lease);
        return leaseView(lease);
      });
    },
    renew: async ({ params, body, ...context }) => {
      if (body.ttlMs !== undefined) checkTtl(body.ttlMs, settings);
      return changeOwn(deps, { ...context, params }, async (tx, lease) => {
        if (!isHeld(lease.state)) throw notHeld(lease);
        await tx.setDeadline("lease.expire", lease.id, tx.now + (body.ttlMs ?? lease.ttl_ms));
      });
    },
    release: async ({ params, ...context }) =>
      changeOwn(deps, { ...context, params }, async (tx, { id, project, state }) => {
        if (isHeld(state)) await releaseLease(tx, { id, project, actor: context.principal.actor });
      }),
    leases: async ({ params: { project }, query, principal }) => {
      const holder = query.mine ? principal.id : holderPrincipal(query.holder ?? "", project);
      const rows = await heldLeases(log.query, {
        project,
        afterFence: fenceCursor(query.after),
        holder: query.mine || query.holder !== undefined ? holder : "",
        kind: query.kind ?? "",
        limit: query.limit + 1,
      });
      const page = rows.slice(0, query.limit);
      const last = page.at(-1);
      return {
        leases: page.map(leaseView),
        next: rows.length > page.length && last !== undefined ? String(last.fence) : null,
      };
    },
    lease: async ({ params: { project, lease } }) =>
      leaseView(await existing(log.query, project, lease)),
  };
}

interface LeaseCall extends Pick<CallContext, "principal" | "idempotency"> {
  readonly params: { readonly project: string; readonly lease: string };
}

/** Changes a lease of the caller and answers with the lease as it is then. */
async function changeOwn(
  { log }: ReservationsDeps,
  { params: { project, lease }, ...context }: LeaseCall,
  change: (tx: LogTx, lease: LeaseRow) => Promise<void>,
) {
  const reply = async (query: Query, id: string) => leaseView(await existing(query, project, id));
  return log.once(
    callOf(context, [lockKey(project)], lease),
    async (tx, id) => {
      const row = await existing(tx.query, project, id);
      refuseOther(row, context.principal);
      await change(tx, row);
      return reply(tx.query, id);
    },
    reply,
  );
}

async function existing(query: Query, project: string, id: string): Promise<LeaseRow> {
  const row = await leaseById(query, id);
  if (row?.project === project) return row;
  throw new ProblemError("NOT_FOUND", `there is no lease ${id} in the project ${project}`, {
    next: "gridpost lease ls",
  });
}

function refuseOther(lease: LeaseRow, principal: Principal): void {
  if (lease.holder === principal.id) return;
  throw new ProblemError("FORBIDDEN", `the lease ${lease.id} belongs to ${lease.holder}`, {
    details: [{ lease: lease.id, holder: lease.holder }],
    next: "ask its holder to release it",
  });
}

const notHeld = (lease: LeaseRow): ProblemError =>
  new ProblemError("LEASE_NOT_HELD", `the lease ${lease.id} is ${lease.state}`, {
    details: [{ lease: lease.id, state: lease.state, fence: lease.fence }],
    next: "acquire it again",
  });

function fenceCursor(after: string | undefined): number {
  if (after === undefined) return 0;
  const fence = Number(after);
  if (Number.isSafeInteger(fence) && fence >= 0) return fence;
  throw new ProblemError("BAD_REQUEST", `"${after}" is not a cursor of this list`, {
    next: "give the `next` of the page before",
  });
}
