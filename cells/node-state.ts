import type { z } from "zod";
import type { NodeState } from "../contract/nodes.ts";

export type NodeStateName = z.infer<typeof NodeState>;

/** Between two beats; the server says so in each answer. */
export const BEAT_MS = 15_000;
/** A node that is silent for so long gets no new work. */
export const SUSPECT_MS = 45_000;
/** A node that is silent for so long is shown as lost; its runs wait for `lostAfter`. */
export const LOST_MS = 120_000;
/** How long the lease of a session lives after its grant and after each beat of its node. */
export const SESSION_TTL_MS = 90_000;

export interface Liveness {
  readonly draining: boolean;
  readonly revoked: boolean;
  /** When the last beat was received, milliseconds since the epoch; null before the first. */
  readonly beatAt: number | null;
  /** What the last beat said. */
  readonly ready: boolean;
}

/** The state of a node at a time. Silence counts before what the node last said of itself. */
export function nodeState(
  { draining, revoked, beatAt, ready }: Liveness,
  now: number,
): NodeStateName {
  if (revoked) return "revoked";
  if (beatAt === null || now - beatAt > LOST_MS) return "lost";
  if (now - beatAt > SUSPECT_MS) return "suspect";
  if (draining) return "draining";
  return ready ? "ready" : "unready";
}

/** Nodes that fall silent within this time of each other do so for a common reason. */
const TOGETHER_MS = 120_000;
const FLEET = 4;

/**
 * Whether at least half of at least four nodes fell silent together with the one whose last beat came at `since`: then
 * the network or the server, not the nodes, is the likely cause.
 * @param beats when each node's last beat was received
 */
export function fellSilentTogether(beats: readonly number[], since: number, now: number): boolean {
  const alive = beats.filter((beat) => beat >= since - TOGETHER_MS);
  const silent = alive.filter((beat) => beat <= since + TOGETHER_MS && now - beat > SUSPECT_MS);
  return alive.length >= FLEET && silent.length * 2 >= alive.length;
}
