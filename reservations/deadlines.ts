import type { DeadlineKinds } from "../storage/deadlines.ts";
import type { LogTx } from "../storage/log.ts";
import { type EndContext, expireLease, freeUp, takeBack } from "./ending.ts";
import { admit } from "./queue.ts";
import { onSilence } from "./silence.ts";
import { leaseById } from "./store.ts";
import { deleteTicket, setTicket, ticketById } from "./tickets.ts";

/** What happens to leases in time. Expiry waits for the end of a freeze: silence may have been the server's own. */
export const reservationsDeadlines = (context: EndContext): DeadlineKinds => ({
  "lease.expire": { freezable: true, fire: (tx, id) => expireLease(tx, context, id) },
  "lease.silent": { freezable: true, fire: (tx, session) => onSilence(tx, context, session) },
  "lease.unlock": { fire: (tx, id) => unlock(tx, context, id) },
  "lease.ticket": { freezable: true, fire: (tx, id) => onAbsence(tx, context, id) },
});

/** The lock-delay is over: those who waited for it are next. */
async function unlock(tx: LogTx, context: EndContext, id: string): Promise<void> {
  const lease = await leaseById(tx.query, id);
  if (lease !== undefined) await freeUp(tx, context, lease);
}

/** Called when the holder of a ticket may be away: others pass, later its place is gone. */
async function onAbsence(tx: LogTx, context: EndContext, id: string): Promise<void> {
  const ticket = await ticketById(tx.query, id);
  if (ticket === undefined) return;
  if (ticket.state === "granted" && tx.now >= ticket.present_until) {
    // It waits again, at its old place.
    await setTicket(tx.query, id, { state: "waiting" });
    await takeBack(tx, context, { ticket, actor: "server" });
  }
  const waits = ticket.state === "waiting" || ticket.state === "granted";
  const until = waits ? Math.min(ticket.alive_until, ticket.ends_at) : ticket.alive_until;
  if (tx.now >= until) {
    await deleteTicket(tx.query, id);
    await admit(tx, context.dialect, [id]);
    return;
  }
  const away = tx.now >= ticket.present_until;
  if (waits && away) await admit(tx, context.dialect, [id]);
  const next = waits && !away ? Math.min(until, ticket.present_until) : until;
  await tx.setDeadline("lease.ticket", id, next);
}
