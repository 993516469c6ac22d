import type { Node } from "./node.ts";

const BOOT = "boot";

/**
 * After a reboot nothing runs on, and what an engine says of the end of what ran is the reboot's doing: such attempts are
 * the infrastructure's failure. Call it before anything is taken up again.
 */
export function noteReboot({ spool, log }: Pick<Node, "spool" | "log">, bootId: string): void {
  const before = spool.meta(BOOT);
  spool.setMeta(BOOT, bootId);
  if (before === undefined || before === bootId) return;
  for (const { id: session } of spool.sessions())
    for (const { id: attempt } of spool.attempts(session)) {
      if (spool.executions(attempt).every(({ ended }) => ended !== null)) continue;
      log.warn({ attempt }, "the machine was restarted while this ran");
      spool.setStop(attempt, {
        outcome: "invalid",
        message: "the machine was restarted while it ran",
      });
    }
}
