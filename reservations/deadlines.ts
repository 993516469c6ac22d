import type { DeadlineKinds } from "../storage/deadlines.ts";
import type { LogTx } from "../storage/log.ts";
import type { Dialect } from "../storage/db.ts";
import { endLease, type EndContext, freeUp } from "./ending.ts";
import { admit } from "./queue.ts";
import { isHeld } from "./rules.ts";
import type { LeaseSettings } from "./settings.ts";
import { onSilence } from "./silence.ts";
import { leaseById } from "./store.ts";
import { deleteTicket, ticketById } from "./tickets.ts";

export interface DeadlineDeps {
  readonly dialect: Dialect;
  readonly settings: LeaseSettings;
}

/** What happens to leases in time. Expiry waits for the end of a freeze: silence may have been the server's own. */
export const reservationsDeadlines = (deps: DeadlineDeps): DeadlineKinds => ({
  "lease.expire": { freezable: true, fire: (tx, id) => expire(tx, deps, id) },
  "lease.silent": { freezable: true, fire: (tx, session) => onSilence(tx, deps, session) },
  "lease.unlock": { fire: (tx, id) => unlock(tx, deps, id) },
  "lease.ticket": { freezable: true, fire: (tx, id) => dropTicket(tx, deps, id) },
});

async function expire(tx: LogTx, context: EndContext, id: string): Promise<void> {
  const lease = await leaseById(tx.query, id);
  if (lease !== undefined && isHeld(lease.state))
    await endLease(tx, context, { lease, type: "lease.expired" });
}

/** The lock-delay is over: those who waited for it are next. */
async function unlock(tx: LogTx, context: EndContext, id: string): Promise<void> {
  const lease = await leaseById(tx.query, id);
  if (lease !== undefined) await freeUp(tx, context, lease);
}

/** Nobody has come back for the ticket. A lease that it brought is given back: nobody ever worked under it. */
async function dropTicket(tx: LogTx, context: EndContext, id: string): Promise<void> {
  const ticket = await ticketById(tx.query, id);
  if (ticket === undefined) return;
  const until = Math.min(
    ticket.alive_until,
    ticket.state === "waiting" ? ticket.ends_at : Infinity,
  );
  if (tx.now < until) {
    await tx.setDeadline("lease.ticket", id, until);
    return;
  }
  await deleteTicket(tx.query, id);
  await admit(tx, context.dialect, [id]);
  if (ticket.state !== "granted" || ticket.lease === null) return;
  const lease = await leaseById(tx.query, ticket.lease);
  if (lease !== undefined && isHeld(lease.state))
    await endLease(tx, context, { lease, type: "lease.released", actor: "server" });
}
