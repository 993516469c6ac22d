import { ProblemError } from "../contract/problem.ts";
import type { Capacity } from "../contract/cells.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import type { z } from "zod";
import {
  claimable,
  firstOfLane,
  heldGpus,
  lanesOf,
  openQueues,
  pagesOf,
  type QueueRow,
} from "./claim-store.ts";
import { firstFree, notBusy } from "./not-busy.ts";
import { type Candidate, pickGpus, ranked } from "./match.ts";
import { nodeState, SESSION_TTL_MS } from "./node-state.ts";
import { takerByName } from "./node-store.ts";
import type { LeasePort } from "./ports.ts";
import { type Grant, grantSession, type SessionReply } from "./session.ts";
import { nodesOf } from "./state.ts";

type Offered = z.output<typeof Capacity>;

/** The lane of the runs that no node has failed yet. */
const FRESH = "";

export interface NodeClaim {
  /** The node's name. */
  readonly node: string;
  /** The id for the session, if one is granted. */
  readonly session: string;
  readonly capacity: Offered;
}

/**
 * Grants the next session that fits a node, over all projects; null if none does, or if the node may take no work now
 * (draining, not ready, silent for too long).
 */
export async function claimNext(
  tx: LogTx,
  leases: LeasePort,
  { node: name, session, capacity }: NodeClaim,
): Promise<SessionReply | null> {
  const node = await takerByName(tx.query, name);
  if (node === undefined || nodeState(node, tx.now) !== "ready") return null;
  const queues = await openQueues(tx.query);
  if (queues.length === 0) return null;
  const holder = `node:${name}`;
  const taken = capacity.gpus.length === 0 ? [] : await heldGpus(tx.query, holder);
  const offer = { ...capacity, gpus: capacity.gpus.filter((uuid) => !taken.includes(uuid)) };
  const candidate: Candidate = { inventory: node.inventory, images: node.images, offer };
  for (const queue of ranked(queues, candidate)) {
    const granted = await claimFor(tx, leases, { queue, candidate, node: name, session });
    if (granted !== null) return granted;
  }
  return null;
}

interface Wish {
  readonly queue: QueueRow;
  readonly candidate: Candidate;
  readonly node: string;
  readonly session: string;
}

/** A session of one queue on GPUs of the node; on others if somebody holds a lease on the first that suit. */
async function claimFor(
  tx: LogTx,
  leases: LeasePort,
  { queue, candidate: { inventory, offer }, node, session }: Wish,
): Promise<SessionReply | null> {
  const { demand, project } = queue;
  const holder = `node:${node}`;
  // Written out: a spread copy costs several times as much, and this is done for every claim.
  const on = (gpus: readonly string[]): Promise<SessionReply | null> =>
    claimFrom(tx, leases, {
      grant: {
        id: session,
        holder,
        actor: holder,
        image: queue.imageId,
        gpus,
        ttlMs: SESSION_TTL_MS,
      },
      queue: queue.id,
      project,
      node,
    });
  const first = pickGpus(demand, inventory, offer.gpus);
  if (first === undefined) return null;
  const granted = await on(first);
  if (granted !== null || first.length === 0) return granted;
  const look = { at: tx, leases, project, holder };
  const free = await notBusy(offer.gpus, (uuid) => ({ kind: "gpu", node, uuid }), look);
  const others = free.length === offer.gpus.length ? undefined : pickGpus(demand, inventory, free);
  return others === undefined ? null : on(others);
}

/** A grant whose run is yet to be found. */
interface Claim {
  readonly grant: Grant;
  readonly queue: string;
  readonly project: string;
}

/** The first run of the queue whose lease the node can have: those that no node has failed before those that others have. */
async function claimFrom(
  tx: LogTx,
  leases: LeasePort,
  { grant, queue, project, node }: Claim & { readonly node: string },
): Promise<SessionReply | null> {
  const fresh = await claimInLane(tx, leases, { grant, queue, project, lane: FRESH });
  if (fresh !== null) return fresh;
  const lane = await openLane(tx.query, queue, node);
  return lane === undefined ? null : claimInLane(tx, leases, { grant, queue, project, lane });
}

/** The first run of a lane, or else the first on which nobody holds a lease. */
async function claimInLane(
  tx: LogTx,
  leases: LeasePort,
  claim: Claim & { readonly lane: string },
): Promise<SessionReply | null> {
  const { grant, queue, project, lane } = claim;
  const run = await firstOfLane(tx.query, { queue, lane, after: -1 });
  if (run === undefined) return null;
  const granted = await orNothing(grantSession(tx, leases, { run, grant }));
  if (granted !== null) return granted;
  const look = { at: tx, leases, project, holder: grant.holder };
  const behind = pagesOf(tx.query, { queue, lane, after: run.ord });
  const free = await firstFree(behind, look);
  const found = free === undefined ? undefined : await claimable(tx.query, free);
  return found === undefined ? null : orNothing(grantSession(tx, leases, { run: found, grant }));
}

/** A lane of runs that other nodes have spoiled, and this one has not. */
async function openLane(query: Query, queue: string, node: string): Promise<string | undefined> {
  const lanes = await lanesOf(query, queue);
  return lanes.find((lane) => !nodesOf(lane).includes(node));
}

/** A run or GPU under somebody's lease, or in its lock-delay, cannot be granted now; that is no error. */
export async function orNothing<T>(grant: Promise<T>): Promise<T | null> {
  try {
    return await grant;
  } catch (error) {
    if (error instanceof ProblemError && error.code === "RESERVATION_CONFLICT") return null;
    throw error;
  }
}
