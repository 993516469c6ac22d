import { z } from "zod";
import { newId } from "../contract/ids.ts";
import { mayPass } from "./calls.ts";
import { type ClaimTurn, freeCapacity } from "./capacity.ts";
import type { Node } from "./node.ts";
import type { Sessions } from "./sessions.ts";
import { Offer, parse } from "./spool-rows.ts";
import { jitter } from "./timers.ts";

const POLL_MS = 5_000;
/** In case a hint was lost. */
const HINTED_POLL_MS = 30_000;

/** A claim that may have been granted although no answer came: repeated as it was, also by the next life. */
const Pending = z.object({ key: z.string(), offer: Offer });

/** Claims whenever capacity is free: at a hint, when a session has ended, and now and then. */
export async function claimLoop(node: Node, sessions: Sessions, turn: ClaimTurn): Promise<void> {
  while (!node.detach.aborted) {
    await claimAll(node, sessions, turn);
    const pause = node.hinted ? HINTED_POLL_MS : POLL_MS;
    await node.wakeClaims.wait(jitter(pause, 0.2), node.detach);
  }
}

async function claimAll(node: Node, sessions: Sessions, turn: ClaimTurn): Promise<void> {
  for (;;) {
    const release = turn.take();
    if (release === null) return;
    try {
      if (!(await claimOne(node, sessions))) return;
    } catch (error) {
      node.log[mayPass(error) ? "debug" : "warn"]({ error: String(error) }, "cannot claim");
      return;
    } finally {
      release();
    }
  }
}

/** True if a session was granted: there may be more. */
async function claimOne(node: Node, sessions: Sessions): Promise<boolean> {
  const { spool, server, detach } = node;
  const pending = parse(Pending, spool.meta("claim") ?? null) ?? newClaim(node);
  if (pending === null || detach.aborted) return false;
  try {
    const { session } = await server.client.cells.claim(
      { body: pending.offer },
      { idempotencyKey: pending.key, signal: detach },
    );
    spool.endClaim(session);
    if (session !== null) sessions.start(session);
    return session !== null;
  } catch (error) {
    // A refusal is an answer: that claim granted nothing.
    if (!mayPass(error)) spool.endClaim(null);
    throw error;
  }
}

function newClaim(node: Node): z.infer<typeof Pending> | null {
  const offer = freeCapacity(node);
  if (offer === null) return null;
  const pending = { key: newId(), offer };
  node.spool.setMeta("claim", JSON.stringify(pending));
  return pending;
}
