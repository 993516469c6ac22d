import type { z } from "zod";
import type { CallContext, Principal } from "../contract/handlers.ts";
import type { LeaseConflict, reservations } from "../contract/reservations.ts";
import { fullRef } from "../contract/ref.ts";
import type { Query } from "../storage/db.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { existing, type LeaseView, lockOf, notHeld, type ReservationsDeps } from "./call.ts";
import { type Demand, normaliseResources, type Order } from "./demand.ts";
import { conflictProblem, describeConflicts } from "./describe.ts";
import { give, placeOf } from "./grant.ts";
import { isFree, type Obstacles, obstaclesOf } from "./obstacles.ts";
import { inTheirCase } from "./repositories.ts";
import { type GrantDeps, takeRoom } from "./quota.ts";
import { isHeld } from "./rules.ts";
import { checkTtl } from "./settings.ts";
import { leaseView } from "./view.ts";

type Body<E extends { readonly body: z.ZodType }> = z.output<E["body"]>;
type AcquireBody = Body<typeof reservations.acquire>;
export type OrderBody = Omit<AcquireBody, "partial">;

export function demandOf(
  { id: holder }: Principal,
  project: string,
  { resources, mode, refs }: Pick<OrderBody, "resources" | "mode" | "refs">,
): Demand {
  return {
    project,
    holder,
    mode,
    resources: normaliseResources(resources),
    refs: refs === undefined ? null : [...new Set(refs.map(fullRef))].toSorted(),
  };
}

/** @throws ProblemError UNPROCESSABLE for a pattern or TTL that is refused */
export function orderFrom(
  { settings }: ReservationsDeps,
  { principal, project }: { readonly principal: Principal; readonly project: string },
  body: OrderBody,
): Order {
  checkTtl(body.ttlMs, settings);
  return {
    ...demandOf(principal, project, body),
    actor: principal.actor,
    ttlMs: body.ttlMs,
    session: body.session ?? null,
    reason: body.reason ?? null,
    thread: body.thread ?? null,
  };
}

export interface AcquireCall extends Pick<CallContext, "principal" | "idempotency"> {
  readonly params: { readonly project: string };
  readonly body: AcquireBody;
}

type Acquired = LeaseView & { conflicts: LeaseConflict[] };

export async function acquire(deps: GrantDeps, call: AcquireCall): Promise<Acquired> {
  const { project } = call.params;
  const order = orderFrom(deps, { principal: call.principal, project }, call.body);
  return deps.log.once(
    callOf(call, lockOf(project)),
    (tx, id) => grantOrRefuse(tx, deps, { order, id, partial: call.body.partial }),
    async (query, id) => ({ ...(await stillHeld(query, project, id)), conflicts: [] }),
  );
}

interface Attempt {
  readonly order: Order;
  readonly id: string;
  readonly partial: boolean;
}

async function grantOrRefuse(
  tx: LogTx,
  deps: GrantDeps,
  { order: given, id, partial }: Attempt,
): Promise<Acquired> {
  const order = await inTheirCase(tx.query, given);
  await takeRoom(tx.query, deps.room, order);
  const reader = { query: tx.query, dialect: deps.log.db.dialect };
  const place = await placeOf(tx, order);
  const obstacles = await obstaclesOf(reader, order, { now: tx.now, place });
  const conflicts = await conflictsOf(deps, tx.query, { order, obstacles });
  const rest = withoutBlocked(order, obstacles);
  if (conflicts.length > 0 && (!partial || rest.resources.length === 0))
    throw conflictProblem(conflicts);
  const clear =
    conflicts.length === 0 ? obstacles : await obstaclesOf(reader, rest, { now: tx.now });
  const lease = await give(tx, rest, { ...clear, id });
  return { ...leaseView(await existing(tx.query, order.project, lease.id)), conflicts };
}

export async function conflictsOf(
  { agents }: ReservationsDeps,
  query: Query,
  { order, obstacles }: { readonly order: Demand; readonly obstacles: Obstacles },
): Promise<LeaseConflict[]> {
  return isFree(obstacles) ? [] : describeConflicts({ query, agents }, order, obstacles);
}

function withoutBlocked(order: Order, { rivals, ahead }: Obstacles): Order {
  const blocked = new Set([...rivals, ...ahead].map(({ wanted }) => wanted));
  return { ...order, resources: order.resources.filter((resource) => !blocked.has(resource)) };
}

/** @throws ProblemError LEASE_NOT_HELD when a repeated call asks for a lease that has ended since */
export async function stillHeld(query: Query, project: string, id: string): Promise<LeaseView> {
  const lease = await existing(query, project, id);
  if (!isHeld(lease.state)) throw notHeld(lease);
  return leaseView(lease);
}
