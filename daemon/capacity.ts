import type { Node } from "./node.ts";
import { MOST_SKEW_MS } from "./contact.ts";
import type { Offer } from "./spool-rows.ts";

/** Silent for so long, a node is suspect to the server and is granted nothing. */
const SUSPECT_MS = 45_000;

/**
 * What this node can take now, or null for nothing. The spool's GPU locks only ever refuse: who may use a GPU is the
 * server's decision.
 * @param ending a session that counts as over
 */
export function freeCapacity(node: Node, ending?: string): Offer | null {
  if (refusal(node) !== null) return null;
  const { inventory, spool, engines, quarantine, cores } = node;
  const held = spool.sessions().filter(({ id }) => id !== ending);
  const locked = new Set(held.flatMap(({ gpus }) => gpus));
  const gpus = inventory.gpus
    .map(({ uuid }) => uuid)
    .filter((uuid) => !locked.has(uuid) && !quarantine.has(uuid));
  const busy = held.filter((session) => session.gpus.length === 0).length;
  const slots = Math.max(0, inventory.slots - busy);
  if (gpus.length === 0 && slots === 0) return null;
  const free = cores.free === undefined ? {} : { cores: cores.free };
  return { gpus, slots, runtimes: engines.runtimes(), ...free };
}

/** What of this machine keeps it from working, as the server shows it; null for nothing. */
export function obstacle({
  contact,
  engines,
  disk,
}: Pick<Node, "contact" | "engines" | "disk">): string | null {
  const problem = engines.problem ?? disk.problem;
  if (problem !== null || Math.abs(contact.skewMs) <= MOST_SKEW_MS) return problem;
  const minutes = Math.round(Math.abs(contact.skewMs) / 60_000);
  const side = contact.skewMs > 0 ? "behind" : "ahead of";
  return `this machine's clock is ${minutes} minutes ${side} the server's: set it right (timedatectl set-ntp true)`;
}

/** Why this node takes no work now; null when it does. */
export function refusal(node: Pick<Node, "contact" | "engines" | "disk">): string | null {
  const { contact } = node;
  const unfit = obstacle(node);
  if (unfit !== null) return unfit;
  if (contact.draining) return "draining";
  // Before the first answer another daemon may be this node to the server.
  const met = contact.met && contact.silentMs() <= SUSPECT_MS;
  return met ? null : "cut off from the server";
}

/** Lets one claim be under way at a time: two would offer the same capacity twice. */
export class ClaimTurn {
  private taken = false;

  /** The release, or null if another claim is under way. */
  take(): (() => void) | null {
    if (this.taken) return null;
    this.taken = true;
    return () => {
      this.taken = false;
    };
  }
}
