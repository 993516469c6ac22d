import type { z } from "zod";
import type { CallContext, Principal } from "../contract/handlers.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Lease } from "../contract/reservations.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import type { EndContext } from "./ending.ts";
import type { AgentDirectory, WaitForTicket } from "./ports.ts";
import type { LeaseSettings } from "./settings.ts";
import { leaseById, type LeaseRow } from "./store.ts";
import { leaseView } from "./view.ts";

export interface ReservationsDeps {
  readonly log: EventLog;
  readonly settings: LeaseSettings;
  readonly agents: AgentDirectory;
  readonly wait: WaitForTicket;
}

export type LeaseView = z.input<typeof Lease>;

/** What every change of leases of a project depends on. */
export const lockOf = (project: string): string[] => [`lease:${project}`];

export const endContext = ({ log, settings }: ReservationsDeps): EndContext => ({
  dialect: log.db.dialect,
  settings,
});

/** @throws ProblemError NOT_FOUND */
export async function existing(query: Query, project: string, id: string): Promise<LeaseRow> {
  const row = await leaseById(query, id);
  if (row?.project === project) return row;
  throw new ProblemError("NOT_FOUND", `there is no lease ${id} in the project ${project}`, {
    next: "gridpost lease ls",
  });
}

export const notHeld = (lease: LeaseRow): ProblemError =>
  new ProblemError("LEASE_NOT_HELD", `the lease ${lease.id} is ${lease.state}`, {
    details: [{ lease: lease.id, state: lease.state, fence: lease.fence }],
    next: "acquire it again",
  });

/** @throws ProblemError FORBIDDEN unless the lease is the caller's own */
export function refuseOther(lease: LeaseRow, principal: Principal): void {
  if (lease.holder === principal.id) return;
  throw new ProblemError("FORBIDDEN", `the lease ${lease.id} belongs to ${lease.holder}`, {
    details: [{ lease: lease.id, holder: lease.holder }],
    next: "ask its holder to release it",
  });
}

export interface LeaseCall extends Pick<CallContext, "principal" | "idempotency"> {
  readonly params: { readonly project: string; readonly lease: string };
}

/** Changes a lease in one transaction and answers with the lease as it is then. */
export function changeLease(
  { log }: ReservationsDeps,
  { params: { project, lease }, ...context }: LeaseCall,
  change: (tx: LogTx, lease: LeaseRow) => Promise<void>,
): Promise<LeaseView> {
  const reply = async (query: Query): Promise<LeaseView> =>
    leaseView(await existing(query, project, lease));
  return log.once(
    callOf(context, lockOf(project), lease),
    async (tx) => {
      await change(tx, await existing(tx.query, project, lease));
      return reply(tx.query);
    },
    reply,
  );
}
