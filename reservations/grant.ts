import type { EventBody } from "../contract/events/index.ts";
import type { Dialect } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { blocks, conflict, type Demand, rivalsOf } from "./conflicts.ts";
import { lastFence } from "./store.ts";

/** A lease to be made. */
export interface Order extends Demand {
  readonly id: string;
  readonly actor: string;
  readonly ttlMs: number;
  readonly session: string | null;
  readonly reason: string | null;
  readonly thread: string | null;
}

/**
 * Grants a lease in the caller's transaction, all its resources or none.
 * @throws ProblemError RESERVATION_CONFLICT with each lease that is in the way
 */
export async function grant(
  tx: LogTx,
  dialect: Dialect,
  order: Order,
): Promise<{ id: string; fence: number }> {
  const rivals = await rivalsOf({ query: tx.query, dialect }, order);
  const blocking = rivals.filter((rival) => blocks(rival, tx.now));
  if (blocking.length > 0) throw conflict(blocking);
  const fence = (await lastFence(tx.query, order.project)) + 1;
  const body = {
    id: order.id,
    fence,
    holder: order.holder,
    mode: order.mode,
    resources: [...order.resources],
    refs: order.refs === null ? null : [...order.refs],
    session: order.session,
    ttlMs: order.ttlMs,
    reason: order.reason,
    thread: order.thread,
    supersedes: [...new Set(rivals.map(({ lease }) => lease.id))],
  };
  await tx.append({
    type: "lease.granted",
    project: order.project,
    actor: order.actor,
    body: body as EventBody<"lease.granted">,
  });
  await tx.setDeadline("lease.expire", order.id, tx.now + order.ttlMs);
  return { id: order.id, fence };
}

/** Ends a held lease at its holder's wish; one that has ended already stays as it is. */
export async function releaseLease(
  tx: LogTx,
  { id, project, actor }: { readonly id: string; readonly project: string; readonly actor: string },
): Promise<void> {
  await tx.append({ type: "lease.released", project, actor, body: { id } });
  await tx.clearDeadline("lease.expire", id);
}
