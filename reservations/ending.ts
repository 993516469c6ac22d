import type { Dialect } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { wasShared } from "./past.ts";
import { admit, reconsider } from "./queue.ts";
import { isHeld } from "./rules.ts";
import { type LeaseSettings, lockDelayOf } from "./settings.ts";
import { type LeaseCore, leaseById, leaseCore, resourcesOf } from "./store.ts";
import { slotBlockers, type TicketRow } from "./tickets.ts";

export interface EndContext {
  readonly dialect: Dialect;
  readonly settings: LeaseSettings;
}

export type End = { readonly lease: LeaseCore } & (
  | { readonly type: "lease.released"; readonly actor: string; readonly kept?: boolean }
  | { readonly type: "lease.expired" }
  | { readonly type: "lease.force_released"; readonly actor: string; readonly reason: string }
);

/** Ends a held lease. Whoever waits for it is next: at once after a release, else after the lock-delay. */
export async function endLease(tx: LogTx, context: EndContext, end: End): Promise<void> {
  const { lease, type } = end;
  const { id, project, holder } = lease;
  const body = type === "lease.force_released" ? { id, holder, reason: end.reason } : { id };
  const actor = type === "lease.expired" ? "server" : end.actor;
  await tx.append({ type, project, actor, body });
  const kept = type === "lease.released" && end.kept === true;
  if (lease.session === null && !kept) await tx.clearDeadline("lease.expire", id);
  const delay = type === "lease.released" ? 0 : lockDelayOf(resourcesOf(lease), context.settings);
  if (delay > 0) await tx.setDeadline("lease.unlock", id, tx.now + delay);
  else if (lease.queued !== 0) await freeUp(tx, context, lease);
}

/**
 * Takes back what a ticket brought when nobody has come for it, so that nobody has worked under it. A lease that was
 * upgraded is shared again, as its holder had it before; one that was handed on stays with its new holder.
 */
export async function takeBack(
  tx: LogTx,
  context: EndContext,
  { ticket, actor }: { readonly ticket: TicketRow; readonly actor: string },
): Promise<void> {
  const lease = ticket.lease === null ? undefined : await leaseById(tx.query, ticket.lease);
  if (lease === undefined || !isHeld(lease.state) || lease.holder !== ticket.holder) return;
  if (!(await wasShared(tx.query, lease.id)))
    return endLease(tx, context, { lease, type: "lease.released", actor });
  if (lease.mode === "shared") return;
  const { id, project } = lease;
  await tx.append({ type: "lease.downgraded", project, actor, body: { id } });
  await reconsider(tx, context.dialect, id);
}

/** The time of a lease is over; one that has ended already stays as it is. */
export async function expireLease(tx: LogTx, context: EndContext, id: string): Promise<void> {
  const lease = await leaseCore(tx.query, id);
  if (lease !== undefined && isHeld(lease.state))
    await endLease(tx, context, { lease, type: "lease.expired" });
}

/** Asks those again who waited for the lease or for a unit of its semaphores. */
export const freeUp = (
  tx: LogTx,
  context: EndContext,
  lease: Pick<LeaseCore, "id" | "project" | "resources">,
): Promise<void> =>
  admit(tx, context.dialect, [lease.id, ...slotBlockers(lease.project, resourcesOf(lease))]);
