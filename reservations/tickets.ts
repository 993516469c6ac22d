import { type ProblemCode, ProblemError, type ProblemOptions } from "../contract/problem-error.ts";
import type { Resource } from "../contract/resource.ts";
import type { Query } from "../storage/db.ts";
import type { Order } from "./demand.ts";

export type TicketState = "waiting" | "granted" | "taken" | "refused";

export interface TicketRow {
  readonly id: string;
  readonly n: number;
  readonly project: string;
  readonly holder: string;
  readonly state: TicketState;
  /** An `Order`, as JSON. */
  readonly request: string;
  readonly lease: string | null;
  /** What its holder is told when it can never be granted: a problem, as JSON. */
  readonly refusal: string | null;
  readonly ends_at: number;
  readonly present_until: number;
  readonly alive_until: number;
}

const INSERT = `insert into e_lease_tickets
  (id, n, project, holder, state, request, lease, ends_at, present_until, alive_until)
  values ($1, (select coalesce(max(n), 0) + 1 from e_lease_tickets), $2, $3, $4, $5, $6, $7, $8, $9) returning *`;
const BY_ID = "select * from e_lease_tickets where id = $1";
const PRESENT_BEFORE = `select * from e_lease_tickets
  where project = $1 and state = 'waiting' and n < $2 and present_until > $3 order by n`;
const WAITING_FOR = `select t.* from e_lease_waits w join e_lease_tickets t on t.id = w.ticket
  where w.blocker = $1 and t.state = 'waiting' order by t.n`;
const SET_STATE = "update e_lease_tickets set state = $2, lease = $3, refusal = $4 where id = $1";
const KEEP = "update e_lease_tickets set present_until = $2, alive_until = $3 where id = $1";
const DELETE = "delete from e_lease_tickets where id = $1";
const ADD_WAIT = "insert into e_lease_waits (ticket, blocker) values ($1, $2)";
const DROP_WAITS = "delete from e_lease_waits where ticket = $1";
const DROP_BLOCKER = "delete from e_lease_waits where blocker = $1";
const STILL_WAITS = "select 1 from e_lease_waits where ticket = $1 limit 1";
const QUEUE_LENGTH = "select count(*) as length from e_lease_waits where blocker = $1";
/** Who is away waits for nothing now. What has ended and is only locked is nobody's to let go. */
const WAITS_OF = `select t.id as ticket, t.n, t.project, w.blocker, coalesce(l.holder, b.holder) as holder
  from e_lease_tickets t join e_lease_waits w on w.ticket = t.id
  left join p_leases l on l.id = w.blocker and l.state in ('held', 'grace')
  left join e_lease_tickets b on b.id = w.blocker and b.state = 'waiting'
  where t.holder = $1 and t.state = 'waiting' and t.present_until > now_ms()`;

export interface NewTicket {
  readonly id: string;
  readonly order: Order;
  readonly state: TicketState;
  readonly lease: string | null;
  readonly endsAt: number;
  readonly presentUntil: number;
  readonly aliveUntil: number;
}

export async function insertTicket(query: Query, ticket: NewTicket): Promise<TicketRow> {
  const { id, order, state, lease, endsAt, presentUntil, aliveUntil } = ticket;
  const [row] = await query<TicketRow>(INSERT, [
    id,
    order.project,
    order.holder,
    state,
    JSON.stringify(order),
    lease,
    endsAt,
    presentUntil,
    aliveUntil,
  ]);
  if (row === undefined) throw new RangeError(`ticket ${id} was not stored`);
  return row;
}

export async function ticketById(query: Query, id: string): Promise<TicketRow | undefined> {
  const [row] = await query<TicketRow>(BY_ID, [id]);
  return row;
}

/** Those who came before place `n`, still wait and are there to take what they wait for, in order. */
export const presentBefore = (
  query: Query,
  { project, n, now }: { readonly project: string; readonly n: number; readonly now: number },
): Promise<TicketRow[]> => query<TicketRow>(PRESENT_BEFORE, [project, n, now]);

/** Those who wait for a blocker, in order. */
export const waitingFor = (query: Query, blocker: string): Promise<TicketRow[]> =>
  query<TicketRow>(WAITING_FOR, [blocker]);

export interface TicketChange {
  readonly state: TicketState;
  readonly lease?: string;
  readonly refusal?: ProblemError;
}

export async function setTicket(query: Query, id: string, change: TicketChange): Promise<void> {
  const refusal = change.refusal === undefined ? null : JSON.stringify(change.refusal.toProblem());
  await query(SET_STATE, [id, change.state, change.lease ?? null, refusal]);
}

/** Why a ticket was refused, if it was. */
export function refusalOf({ refusal }: TicketRow): ProblemError | undefined {
  if (refusal === null) return undefined;
  const { code, message, ...more } = JSON.parse(refusal) as Refusal;
  return new ProblemError(code, message, more);
}

type Refusal = ProblemOptions & { readonly code: ProblemCode; readonly message: string };

/** Until when somebody is there, and until when the place is kept. */
export interface Keeping {
  readonly presentUntil: number;
  readonly aliveUntil: number;
}

export async function keepTicket(query: Query, id: string, until: Keeping): Promise<void> {
  await query(KEEP, [id, until.presentUntil, until.aliveUntil]);
}

export async function deleteTicket(query: Query, id: string): Promise<void> {
  await query(DROP_WAITS, [id]);
  await query(DELETE, [id]);
}

/** Replaces what a ticket waits for. */
export async function setWaits(
  query: Query,
  ticket: string,
  blockers: readonly string[],
): Promise<void> {
  await query(DROP_WAITS, [ticket]);
  for (const blocker of blockers) await query(ADD_WAIT, [ticket, blocker]);
}

export async function dropBlocker(query: Query, blocker: string): Promise<void> {
  await query(DROP_BLOCKER, [blocker]);
}

export async function stillWaits(query: Query, ticket: string): Promise<boolean> {
  return (await query(STILL_WAITS, [ticket])).length > 0;
}

export async function queueLength(query: Query, blocker: string): Promise<number> {
  const [row] = await query<{ length: number }>(QUEUE_LENGTH, [blocker]);
  return row?.length ?? 0;
}

export interface WaitRow {
  readonly ticket: string;
  readonly n: number;
  readonly project: string;
  readonly blocker: string;
  /** Of the lease or the earlier ticket; null for a semaphore, and for what is held no longer. */
  readonly holder: string | null;
}

/** What a holder waits for, by all of its tickets. */
export const waitsOf = (query: Query, holder: string): Promise<WaitRow[]> =>
  query<WaitRow>(WAITS_OF, [holder]);

export const orderOf = ({ request }: TicketRow): Order => JSON.parse(request) as Order;

/** The semaphores among resources, as blockers: whoever waits for one is asked again when any unit is given back. */
export const slotBlockers = (project: string, resources: readonly Resource[]): string[] =>
  resources.flatMap((one) => (one.kind === "slot" ? [`slot:${project}/${one.name}`] : []));

/** The name of the semaphore that a blocker is, if it is one. */
export function semaphoreOf(project: string, blocker: string): string | undefined {
  const start = `slot:${project}/`;
  return blocker.startsWith(start) ? blocker.slice(start.length) : undefined;
}
