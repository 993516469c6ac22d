import type { Outcome, RunState } from "../contract/run.ts";

/** How often a run whose attempt the infrastructure spoiled is tried again. */
export const MAX_RETRIES = 2;

const NEXT: Readonly<Record<RunState, readonly RunState[]>> = {
  blocked: ["queued", "skipped", "cancelled"],
  // A queued run ends by the late result of an attempt that was given up and not yet replaced.
  queued: ["claimed", "skipped", "cancelled", "succeeded", "failed", "invalid"],
  claimed: ["running", "queued", "succeeded", "failed", "invalid", "cancelled"],
  running: ["queued", "succeeded", "failed", "invalid", "cancelled"],
  succeeded: [],
  failed: [],
  invalid: [],
  skipped: [],
  cancelled: [],
};

/** Whether a run in one state can come into another. */
export const canBecome = (from: RunState, to: RunState): boolean => NEXT[from].includes(to);

/** Whether a run in this state has ended for good. */
export const isFinal = (state: RunState): boolean => NEXT[state].length === 0;

/** Whether a holder works on a run in this state. */
export const isTaken = (state: RunState): boolean => state === "claimed" || state === "running";

/** Outcomes that say nothing about the benchmark: the node, not the cell, is to blame. */
export const isInfrastructure = (outcome: Outcome): boolean =>
  outcome === "setup_failed" || outcome === "lost" || outcome === "invalid";

export interface Ended {
  readonly outcome: Outcome;
  /** How often the run was retried already. */
  readonly retries: number;
  /** Whether a known node that has not spoiled it yet could run it. */
  readonly elsewhere: boolean;
}

/** What becomes of a run whose current attempt ended. */
export function stateAfter({ outcome, retries, elsewhere }: Ended): RunState {
  if (isInfrastructure(outcome) && retries < MAX_RETRIES && elsewhere) return "queued";
  if (outcome === "ok") return "succeeded";
  if (outcome === "invalid" || outcome === "cancelled") return outcome;
  return "failed";
}

/** The nodes that a lane names. */
export const nodesOf = (lane: string): string[] => (lane === "" ? [] : lane.split(","));

/** The lane of a run that one more node has spoiled; the same nodes always give the same lane. */
export const laneWith = (lane: string, node: string): string =>
  [...new Set([...nodesOf(lane), node])].toSorted().join(",");
