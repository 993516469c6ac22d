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

/** Gives what is free: a new lease, or the holder's own shared lease on exactly these resources, upgraded. */
export async function give(tx: LogTx, order: Order, terms: Terms): Promise<Granted> {
  const own = order.mode === "exclusive" ? await findOwnShared(tx, order) : undefined;
  if (own === undefined) return grantNew(tx, order, terms);
  const granted = await upgrade(tx, own, { ...terms, actor: order.actor });
  if (own.session === null) {
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
 * The place in the queue from which to judge an order: that of its ticket or behind all, but an upgrade goes before those
 * who wait, because they wait for the lease that it upgrades.
 */
export async function placeOf(tx: LogTx, order: Order, ticket?: number): Promise<number> {
  const upgrades = order.mode === "exclusive" && (await findOwnShared(tx, order)) !== undefined;
  return upgrades ? 0 : (ticket ?? Number.MAX_SAFE_INTEGER);
}

async function findOwnShared(tx: LogTx, order: Order): Promise<LeaseRow | undefined> {
  const [first] = order.resources;
  if (first === undefined) return undefined;
  const { scope, keys } = keysOf(first);
  return ownShared(tx.query, order, { scope, key: keys[0] ?? "" });
}
