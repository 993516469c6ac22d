import { ProblemError } from "../contract/problem.ts";
import type { Dialect } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { circleFrom } from "./circle.ts";
import type { Order } from "./demand.ts";
import { circleProblem } from "./describe.ts";
import { give, placeOf } from "./grant.ts";
import { blockersOf, isFree, type Obstacles, obstaclesOf } from "./obstacles.ts";
import { joinSession, refuseOthersSession } from "./sessions.ts";
import { TICKET_PRESENT_MS } from "./settings.ts";
import {
  dropBlocker,
  insertTicket,
  keepTicket,
  type NewTicket,
  orderOf,
  setTicket,
  setWaits,
  stillWaits,
  type TicketRow,
  waitingFor,
} from "./tickets.ts";

/**
 * Puts a waiter at the end of the queue.
 * @throws ProblemError FORBIDDEN if it names somebody else's session
 */
export async function stand(
  tx: LogTx,
  ticket: Omit<NewTicket, "state" | "lease">,
  obstacles: Obstacles,
): Promise<TicketRow> {
  const { project, holder, session } = ticket.order;
  if (session !== null) await joinSession(tx, { session, project, holder });
  const row = await insertTicket(tx.query, { ...ticket, state: "waiting", lease: null });
  await setWaits(tx.query, row.id, blockersOf(obstacles));
  await tx.setDeadline("lease.ticket", row.id, Math.min(ticket.endsAt, ticket.presentUntil));
  return row;
}

/**
 * Asks those again, in order, who waited for blockers that are gone, and grants what is free now. Each is judged anew: a
 * place in the queue is a promise of order, not of the lease.
 */
export async function admit(tx: LogTx, dialect: Dialect, gone: readonly string[]): Promise<void> {
  const blockers = [...gone];
  for (const blocker of blockers) {
    const waiting = await waitingFor(tx.query, blocker);
    if (waiting.length === 0) continue;
    await dropBlocker(tx.query, blocker);
    for (const ticket of waiting) {
      if (await stillWaits(tx.query, ticket.id)) continue;
      blockers.push(...(await judge(tx, dialect, ticket)));
    }
  }
}

/** Asks everybody again who waits for a lease that stays but means something else now: another holder or mode. */
export async function reconsider(tx: LogTx, dialect: Dialect, blocker: string): Promise<void> {
  for (const ticket of await waitingFor(tx.query, blocker))
    await admit(tx, dialect, await judge(tx, dialect, ticket));
}

/**
 * Grants a waiter's wish, if it is there, or notes anew what it waits for; returns the tickets that nobody needs to wait
 * for any longer. It is often somebody else's call that asks again: what is wrong with the wish ends its ticket and is
 * told to its holder only.
 */
export async function judge(tx: LogTx, dialect: Dialect, ticket: TicketRow): Promise<string[]> {
  const order = orderOf(ticket);
  const place = await placeOf(tx, order, ticket.n);
  const obstacles = await obstaclesOrRefusal(tx, dialect, { order, place });
  if (obstacles instanceof ProblemError) return refuse(tx, ticket.id, obstacles);
  if (isFree(obstacles)) {
    await setWaits(tx.query, ticket.id, []);
    if (ticket.present_until <= tx.now) return [];
    const { id } = await give(tx, order, { ...obstacles, ticket: ticket.id, unfetched: true });
    await setTicket(tx.query, ticket.id, { state: "granted", lease: id });
    const presentUntil = tx.now + TICKET_PRESENT_MS;
    await keepTicket(tx.query, ticket.id, { presentUntil, aliveUntil: ticket.alive_until });
    await tx.setDeadline("lease.ticket", ticket.id, presentUntil);
    return [ticket.id];
  }
  await setWaits(tx.query, ticket.id, blockersOf(obstacles));
  return breakCircle(tx, ticket, obstacles);
}

/** Writes nothing, so that what it catches leaves nothing half done. */
async function obstaclesOrRefusal(
  { query, now }: LogTx,
  dialect: Dialect,
  { order, place }: { readonly order: Order; readonly place: number },
): Promise<Obstacles | ProblemError> {
  const { project, holder, session } = order;
  try {
    if (session !== null) await refuseOthersSession(query, { session, project, holder });
    return await obstaclesOf({ query, dialect }, order, { now, place });
  } catch (error) {
    // What is wrong with the store is not wrong with the wish.
    if (error instanceof ProblemError && error.status < 500) return error;
    throw error;
  }
}

async function refuse(tx: LogTx, ticket: string, refusal: ProblemError): Promise<string[]> {
  await setWaits(tx.query, ticket, []);
  await setTicket(tx.query, ticket, { state: "refused", refusal });
  return [ticket];
}

/** Of those who wait for each other, the one who came last gives way. */
async function breakCircle(tx: LogTx, asker: TicketRow, obstacles: Obstacles): Promise<string[]> {
  const circle = await circleFrom(tx.query, asker, obstacles);
  if (circle === undefined) return [];
  const own = { ticket: asker.id, n: asker.n };
  const youngest = circle.tickets.reduce((a, b) => (b.n > a.n ? b : a), own);
  return refuse(tx, youngest.ticket, circleProblem(circle.holders, asker.project));
}
