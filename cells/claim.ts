import { ProblemError } from "../contract/problem.ts";
import type { Capacity } from "../contract/cells.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import type { z } from "zod";
import {
  type ClaimableRow,
  firstOfLane,
  heldGpus,
  lanesOf,
  openQueues,
  type QueueRow,
} from "./claim-store.ts";
import { type Candidate, pickGpus, ranked } from "./match.ts";
import { nodeState, SESSION_TTL_MS } from "./node-state.ts";
import { takerByName } from "./node-store.ts";
import type { LeasePort } from "./ports.ts";
import { grantSession, type SessionReply } from "./session.ts";
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
    const run =
      (await firstOfLane(tx.query, queue.id, FRESH)) ?? (await retriedRun(tx.query, queue, name));
    const gpus = pickGpus(queue.demand, node.inventory, offer.gpus);
    if (run === undefined || gpus === undefined) continue;
    const grant = {
      id: session,
      holder,
      actor: holder,
      run,
      image: queue.imageId,
      gpus,
      ttlMs: SESSION_TTL_MS,
    };
    const granted = await orNothing(grantSession(tx, leases, grant));
    if (granted !== null) return granted;
  }
  return null;
}

/** The first run of the queue that other nodes have spoiled, and this one has not. */
async function retriedRun(
  query: Query,
  queue: QueueRow,
  node: string,
): Promise<ClaimableRow | undefined> {
  const lanes = await lanesOf(query, queue.id);
  const open = lanes.find((lane) => !nodesOf(lane).includes(node));
  return open === undefined ? undefined : firstOfLane(query, queue.id, open);
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
