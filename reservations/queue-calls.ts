import type { z } from "zod";
import type { CallContext, Principal } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { LeaseConflict, LeaseTicket } from "../contract/reservations.ts";
import type { Query } from "../storage/db.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { conflictsOf, type OrderBody, orderFrom, stillHeld } from "./acquire.ts";
import { endContext, lockOf, type ReservationsDeps } from "./call.ts";
import { circleFrom } from "./circle.ts";
import type { Order } from "./demand.ts";
import { circleProblem, conflictProblem } from "./describe.ts";
import { takeBack } from "./ending.ts";
import { give, placeOf } from "./grant.ts";
import { isFree, obstaclesOf } from "./obstacles.ts";
import { admit, judge, stand } from "./queue.ts";
import { type GrantDeps, takeRoom } from "./quota.ts";
import { isHeld } from "./rules.ts";
import { inTheirCase } from "./repositories.ts";
import { joinSession } from "./sessions.ts";
import { TICKET_KEPT_MS, TICKET_PRESENT_MS, TICKET_REMEMBERED_MS } from "./settings.ts";
import { leaseById } from "./store.ts";
import {
  deleteTicket,
  insertTicket,
  type Keeping,
  keepTicket,
  orderOf,
  refusalOf,
  setTicket,
  ticketById,
  type TicketRow,
} from "./tickets.ts";

type Ticket = z.input<typeof LeaseTicket> & { conflicts: LeaseConflict[] };

/** A grant wakes the waiter; this is for whatever else may have become of its ticket. */
const LOOK_AGAIN_MS = 5_000;

export interface EnqueueCall extends Pick<CallContext, "principal" | "idempotency"> {
  readonly params: { readonly project: string };
  readonly body: OrderBody & { readonly waitMs: number };
}

/** @throws ProblemError WAIT_CYCLE if the wait could never end */
export async function enqueue(deps: GrantDeps, call: EnqueueCall): Promise<Ticket> {
  const { project } = call.params;
  const order = orderFrom(deps, { principal: call.principal, project }, call.body);
  return deps.log.once(
    callOf(call, lockOf(project)),
    async (tx, id) => {
      const ticket = await grantOrStand(tx, deps, { id, order, endsAt: tx.now + call.body.waitMs });
      return view(deps, tx.query, ticket);
    },
    async (query, id) => view(deps, query, await ownTicket(query, call.principal, id)),
  );
}

interface Wish {
  readonly id: string;
  readonly order: Order;
  readonly endsAt: number;
}

async function grantOrStand(
  tx: LogTx,
  deps: GrantDeps,
  { id, order: given, endsAt }: Wish,
): Promise<TicketRow> {
  const order = await inTheirCase(tx.query, given);
  await takeRoom(tx.query, deps.room, order);
  const { dialect } = deps.log.db;
  const place = await placeOf(tx, order);
  const obstacles = await obstaclesOf({ query: tx.query, dialect }, order, { now: tx.now, place });
  if (!isFree(obstacles)) {
    const circle = await circleFrom(tx.query, order, obstacles);
    if (circle !== undefined) throw circleProblem(circle.holders, order.project);
    return stand(tx, { id, order, endsAt, ...from(tx.now) }, obstacles);
  }
  const lease = await give(tx, order, { ...obstacles, ticket: id });
  const aliveUntil = tx.now + TICKET_REMEMBERED_MS;
  await tx.setDeadline("lease.ticket", id, aliveUntil);
  const taken = { state: "taken" as const, lease: lease.id };
  return insertTicket(tx.query, { id, order, ...taken, endsAt, aliveUntil, presentUntil: tx.now });
}

export interface TicketCall extends Pick<CallContext, "principal" | "signal"> {
  readonly params: { readonly project: string; readonly ticket: string };
}

/** Waits until the ticket brings a lease, `ms` are over, or waiting has no sense any longer. */
export async function awaitTicket(
  deps: ReservationsDeps,
  { params: { project, ticket: id }, principal, signal }: TicketCall,
  ms: number,
): Promise<Ticket> {
  const until = deps.log.now() + ms;
  const keep = (keeping: Keeping): Promise<TicketRow> =>
    deps.log.tx(lockOf(project), (tx) => comeFor(tx, deps, { id, principal, keeping }));
  let ticket = await keep(from(until));
  for (;;) {
    const left = Math.min(until, ticket.ends_at) - deps.log.now();
    if (ticket.state !== "waiting" || left <= 0 || signal.aborted) break;
    await deps.wait({ project, id }, { ms: Math.min(left, LOOK_AGAIN_MS), signal });
    const still = await ticketById(deps.log.query, id);
    // Its end took it from the queue a moment before this call saw that.
    if (still === undefined) break;
    ticket = still;
  }
  const now = deps.log.now();
  if (signal.aborted) return answer(deps, await leaveFor(deps, ticket));
  if (ticket.state === "granted") ticket = await keep(from(now));
  return answer(deps, ticket);
}

/** Who calls until then is there for a moment longer, and has its place for half a minute. */
const from = (time: number): Keeping => ({
  presentUntil: time + TICKET_PRESENT_MS,
  aliveUntil: time + TICKET_KEPT_MS,
});

/** The caller has gone away: others may pass until it is back. */
function leaveFor({ log }: ReservationsDeps, { id, project }: TicketRow): Promise<TicketRow> {
  return log.tx(lockOf(project), async (tx) => {
    const keeping = { presentUntil: tx.now, aliveUntil: tx.now + TICKET_KEPT_MS };
    await keepTicket(tx.query, id, keeping);
    await tx.setDeadline("lease.ticket", id, tx.now);
    const ticket = await ticketById(tx.query, id);
    if (ticket === undefined) throw gone(id);
    return ticket;
  });
}

interface Coming {
  readonly id: string;
  readonly principal: Principal;
  readonly keeping: Keeping;
}

/** A call about a ticket keeps its place; the lease that it brought is taken, and its time starts. */
async function comeFor(tx: LogTx, { log }: ReservationsDeps, one: Coming): Promise<TicketRow> {
  const known = await ownTicket(tx.query, one.principal, one.id);
  if (known.state === "waiting") await keepTicket(tx.query, one.id, one.keeping);
  // Its turn may have come while it was away.
  if (known.state === "waiting" && known.present_until <= tx.now) {
    const back = await ownTicket(tx.query, one.principal, one.id);
    await admit(tx, log.db.dialect, await judge(tx, log.db.dialect, back));
  }
  const ticket = await ownTicket(tx.query, one.principal, one.id);
  if (ticket.state === "granted" && ticket.lease !== null) {
    await startTime(tx, ticket, ticket.lease);
    await setTicket(tx.query, one.id, { state: "taken", lease: ticket.lease });
    const aliveUntil = tx.now + TICKET_REMEMBERED_MS;
    await keepTicket(tx.query, one.id, { presentUntil: tx.now, aliveUntil });
    await tx.setDeadline("lease.ticket", one.id, aliveUntil);
  } else if (ticket.state === "waiting") {
    const { presentUntil } = one.keeping;
    await tx.setDeadline("lease.ticket", one.id, Math.min(presentUntil, ticket.ends_at));
  }
  return ownTicket(tx.query, one.principal, one.id);
}

async function startTime(tx: LogTx, ticket: TicketRow, id: string): Promise<void> {
  const lease = await leaseById(tx.query, id);
  if (lease === undefined || !isHeld(lease.state) || lease.holder !== ticket.holder) return;
  const { project, holder, session } = lease;
  if (session === null) await tx.setDeadline("lease.expire", id, tx.now + orderOf(ticket).ttlMs);
  else await joinSession(tx, { session, project, holder });
}

async function answer(deps: ReservationsDeps, ticket: TicketRow): Promise<Ticket> {
  const refusal = refusalOf(ticket);
  if (refusal !== undefined) throw refusal;
  const seen = await view(deps, deps.log.query, ticket);
  if (ticket.state === "waiting" && deps.log.now() >= ticket.ends_at)
    throw conflictProblem(seen.conflicts);
  return seen;
}

async function view(deps: ReservationsDeps, query: Query, ticket: TicketRow): Promise<Ticket> {
  const { id, project, lease } = ticket;
  const endsAt = toTime(ticket.ends_at);
  if (ticket.state === "taken" && lease !== null)
    return { id, endsAt, lease: await stillHeld(query, project, lease), conflicts: [] };
  const order = orderOf(ticket);
  const reader = { query, dialect: deps.log.db.dialect };
  const obstacles = await obstaclesOf(reader, order, { now: deps.log.now(), place: ticket.n });
  return {
    id,
    endsAt,
    lease: null,
    conflicts: await conflictsOf(deps, query, { order, obstacles }),
  };
}

export function leaveQueue(
  deps: ReservationsDeps,
  { params: { project, ticket: id }, principal }: TicketCall,
): Promise<{ id: string }> {
  const context = endContext(deps);
  return deps.log.tx(lockOf(project), async (tx) => {
    const ticket = await ticketById(tx.query, id);
    if (ticket === undefined) return { id };
    refuseOther(ticket, principal);
    await deleteTicket(tx.query, id);
    await tx.clearDeadline("lease.ticket", id);
    await admit(tx, context.dialect, [id]);
    if (ticket.state === "granted") await takeBack(tx, context, { ticket, actor: principal.actor });
    return { id };
  });
}

async function ownTicket(query: Query, principal: Principal, id: string): Promise<TicketRow> {
  const ticket = await ticketById(query, id);
  if (ticket === undefined) throw gone(id);
  refuseOther(ticket, principal);
  return ticket;
}

const gone = (id: string): ProblemError =>
  new ProblemError("NOT_FOUND", `the ticket ${id} is not in the queue any longer`, {
    next: "ask again; a place is kept for 30 s after the last call about it",
  });

function refuseOther(ticket: TicketRow, principal: Principal): void {
  if (ticket.holder === principal.id) return;
  throw new ProblemError("FORBIDDEN", `the ticket ${ticket.id} belongs to ${ticket.holder}`, {
    next: "take a place in the queue of your own",
  });
}
