import type { EventBody } from "../contract/events/index.ts";
import { newId } from "../contract/ids.ts";
import type { LogTx } from "../storage/log.ts";
import type { Order } from "./demand.ts";
import { keysOf } from "./keys.ts";
import type { Obstacles } from "./obstacles.ts";
import { joinSession } from "./sessions.ts";
import { type LeaseRow, ownShared } from "./store.ts";

export interface Granted {
  readonly id: string;
  readonly fence: number;
}

/** What a grant needs to know beside the order, when nothing stands in its way. */
export interface Terms extends Pick<Obstacles, "fence" | "supersedes"> {
  /** The id of the lease, if a new one is made. */
  readonly id?: string;
  /** The place in the queue that brings it. */
  readonly ticket?: string;
  /** Nobody has come for it yet: until then a lease keeps what time it has. */
  readonly unfetched?: boolean;
  /** Whoever asked for it watches over its holder and ends it in time, see `LeasePort`. */
  readonly kept?: boolean;
}

/**
 * Gives what is free: a new lease, or the holder's own shared lease on exactly these resources, upgraded. Only one that
 * is kept by the same session: what one process keeps must not end with another.
 */
export async function give(tx: LogTx, order: Order, terms: Terms): Promise<Granted> {
  const { session, project, holder } = order;
  const own = (await findOwnShared(tx, order)).find((lease) => lease.session === session);
  if (own === undefined) return grantNew(tx, order, terms);
  if (session !== null) await joinSession(tx, { session, project, holder });
  const granted = await upgrade(tx, own, { ...terms, actor: order.actor });
  if (session === null) {
    const kept = terms.unfetched === true ? (own.due ?? 0) : 0;
    await tx.setDeadline("lease.expire", own.id, Math.max(kept, tx.now + order.ttlMs));
  }
  return granted;
}

export async function grantNew(
  tx: LogTx,
  order: Order,
  { fence, supersedes, id = newId(), ticket, kept = false }: Terms,
): Promise<Granted> {
  const { project, actor, holder, mode, resources, refs, session, ttlMs, reason, thread } = order;
  if (session !== null) await joinSession(tx, { session, project, holder });
  const next = fence + 1;
  const body = {
    id,
    fence: next,
    holder,
    mode,
    resources,
    refs,
    session,
    ttlMs,
    reason,
    thread,
    supersedes,
    ticket: ticket ?? null,
  };
  await tx.append({ type: "lease.granted", project, actor, body });
  if (session === null && !kept) await tx.setDeadline("lease.expire", id, tx.now + ttlMs);
  return { id, fence: next };
}

export interface Upgrade extends Omit<Terms, "id"> {
  readonly actor: string;
}

/** Makes a shared lease exclusive, with a new fence. */
export async function upgrade(
  tx: LogTx,
  { id, project }: LeaseRow,
  { fence, supersedes, actor, ticket }: Upgrade,
): Promise<Granted> {
  const body: EventBody<"lease.upgraded"> = {
    id: id as EventBody<"lease.upgraded">["id"],
    fence: fence + 1,
    supersedes: [...supersedes] as EventBody<"lease.upgraded">["supersedes"],
    ticket: ticket ?? null,
  };
  await tx.append({ type: "lease.upgraded", project, actor, body });
  return { id, fence: body.fence };
}

/**
 * The place in the queue from which to judge an order: that of its ticket or behind all, but who holds the same shared
 * goes before those who wait, because they wait for that lease.
 */
export async function placeOf(tx: LogTx, order: Order, ticket?: number): Promise<number> {
  const holdsShared = (await findOwnShared(tx, order)).length > 0;
  return holdsShared ? 0 : (ticket ?? Number.MAX_SAFE_INTEGER);
}

/** What an exclusive order could upgrade, whatever session keeps it. */
async function findOwnShared(tx: LogTx, order: Order): Promise<LeaseRow[]> {
  const [first] = order.resources;
  if (first === undefined || order.mode === "shared") return [];
  const { scope, keys } = keysOf(first, order.project);
  return ownShared(tx.query, order, { scope, key: keys[0] ?? "" });
}
