import { timeLimit } from "../contract/time-limit.ts";
import { executionName } from "./launcher.ts";
import type { Node } from "./node.ts";
import type { AttemptRow } from "./spool-rows.ts";

const BOOT = "boot";
/** A machine is down again at most so long after it began to end what runs: what ended earlier did so by itself. */
const DOWN_MS = 15 * 60_000;
/** After a boot the engine starts beside the daemon. */
const ENGINE_MS = 60_000;

type Parts = Pick<Node, "spool" | "log" | "clock" | "engines" | "detach">;

/**
 * After a reboot nothing runs on, and what an engine says of the end of what ran is the reboot's doing: such attempts are
 * the infrastructure's failure, unless all that they had begun ended well before. Call it before anything is taken up again.
 */
export async function noteReboot(parts: Parts, bootId: string): Promise<void> {
  const { spool, log } = parts;
  const before = spool.meta(BOOT);
  const cut = before === undefined || before === bootId ? [] : await cutOff(parts);
  // Together: a boot that is noted without its marks would never be looked at again.
  spool.tx(() => {
    spool.setMeta(BOOT, bootId);
    for (const attempt of cut)
      spool.setStop(attempt, {
        outcome: "invalid",
        message: "the machine was restarted while it ran",
      });
  });
  for (const attempt of cut) log.warn({ attempt }, "the machine was restarted while this ran");
}

/** The attempts of which something may have run when the machine went down. */
async function cutOff(parts: Parts): Promise<string[]> {
  const limit = timeLimit(ENGINE_MS, parts.detach);
  try {
    return await cutOffBy(parts, limit.signal);
  } finally {
    limit.end();
  }
}

async function cutOffBy(parts: Parts, signal: AbortSignal): Promise<string[]> {
  const { spool, clock } = parts;
  const latest = clock.now() - clock.monotonic() - DOWN_MS;
  const cut: string[] = [];
  for (const row of spool.sessions().flatMap(({ id }) => spool.attempts(id))) {
    for (const { n, ended } of spool.executions(row.id)) {
      if (ended !== null || (await endOf(parts, { row, n, signal })) < latest) continue;
      cut.push(row.id);
      break;
    }
  }
  return cut;
}

interface Asked {
  readonly row: AttemptRow;
  readonly n: number;
  /** Nobody waits for the engine any longer. */
  readonly signal: AbortSignal;
}

/** When an execution ended, wall clock, milliseconds; infinite when nobody knows. */
async function endOf({ engines }: Parts, { row, n, signal }: Asked): Promise<number> {
  if (row.plan === null) return Number.POSITIVE_INFINITY;
  try {
    const launcher = await engines.launcher(row.plan.runtime);
    const name = executionName(row.id, n);
    const found = await engines.answered(signal, () => launcher.inspect(name));
    return found?.endedAt ?? Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
