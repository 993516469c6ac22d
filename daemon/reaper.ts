import type { GpuCare } from "./gpu-care.ts";
import { EngineGoneError, executionName, type Launched, type Launcher } from "./launcher.ts";
import type { Node } from "./node.ts";
import { jitter, sleep } from "./timers.ts";

const ROUND_MS = 60_000;
/** Younger ones may be on their way into the spool. */
export const ORPHAN_GRACE_MS = 5 * 60_000;
const STOP_MS = 10_000;

/**
 * Removes everything that carries this installation's mark, at once: for a start without the spool of the life before,
 * when nothing of it can be on its way. An engine that is away now is looked at again by `reapLoop`.
 */
export async function reapAll(node: Node): Promise<void> {
  for (const runtime of node.engines.inhabited()) {
    try {
      await reap(node, await node.engines.launcher(runtime), 0);
    } catch (error) {
      node.log.warn({ runtime, error: String(error) }, "cannot look for orphans");
    }
  }
}

/** Now and then removes what carries this installation's mark and belongs to no attempt, and looks after sick GPUs. */
export async function reapLoop(node: Node, care: GpuCare): Promise<void> {
  while (!node.detach.aborted) {
    if (await care.look()) node.wakeBeat.wake();
    await discharge(node, care);
    for (const runtime of node.engines.inhabited()) {
      try {
        await reap(node, await node.engines.launcher(runtime));
      } catch (error) {
        const level = error instanceof EngineGoneError ? "debug" : "warn";
        node.log[level]({ error: String(error) }, "cannot look for orphans");
      }
    }
    await sleep(jitter(ROUND_MS, 0.2), node.detach);
  }
}

/** Offers the GPUs again that are clean now. */
async function discharge({ quarantine, wakeClaims, log }: Node, care: GpuCare): Promise<void> {
  for (const uuid of quarantine) {
    if ((await care.problem([uuid])) !== null) continue;
    quarantine.delete(uuid);
    log.info({ uuid }, "GPU out of quarantine");
    wakeClaims.wake();
  }
}

/** One round. What another installation or somebody else has started is not even seen: the launcher lists only ours. */
export async function reap(
  node: Pick<Node, "spool" | "clock" | "log" | "detach">,
  launcher: Launcher,
  graceMs = ORPHAN_GRACE_MS,
): Promise<void> {
  const known = node.spool.executionKeys();
  for (const found of await launcher.list()) {
    if (node.detach.aborted) return;
    if (isKnown(found, known) || node.clock.now() - found.createdAt < graceMs) continue;
    node.log.warn({ name: found.name, state: found.state }, "removing an orphan");
    if (found.state === "running") await launcher.stop(found.id, STOP_MS);
    await launcher.remove(found.id);
  }
}

const isKnown = ({ name }: Launched, keys: ReadonlySet<string>): boolean =>
  [...keys].some((key) => {
    const cut = key.lastIndexOf("-");
    return name === executionName(key.slice(0, cut), Number(key.slice(cut + 1)));
  });
