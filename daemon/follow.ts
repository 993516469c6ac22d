import type { ExecutionLog } from "./attempt-log.ts";
import type { AttemptParts } from "./execution.ts";
import { EngineGoneError } from "./launcher.ts";
import { DetachedError, type Node } from "./node.ts";
import type { StopReason } from "./spool-rows.ts";
import { sleep } from "./timers.ts";

/** How often limits are looked at. */
const TICK_MS = 1_000;
/** After the end, a log stream that says nothing for so long is complete: some never end by themselves. */
const LAST_WORDS_MS = 2_000;
/** More than this is a flood: without an engine that rotates it, it would fill the disk. */
const MOST_LOG_BYTES = 2 ** 30;

export interface Following {
  readonly id: string;
  readonly n: number;
  readonly log: ExecutionLog;
  /** How long it ran, if it had ended when it was found: it is late only by its own end, not by when somebody looks. */
  readonly lastedMs: number | null;
}

/** What is heard of an execution. */
interface Pulse {
  /** When bytes last came, or its log was opened. */
  at: number;
  /** False while the engine gives no log. */
  open: boolean;
  /** Bytes that it has printed and nobody has read yet. */
  waiting: number;
}

/**
 * Follows what runs until it has ended: reads its log, and ends it when a limit is passed, when it was told to stop, or
 * when the server may be about to grant its run to another node.
 * @returns why it was told to end; null when it ended by itself, whatever was asked for afterwards
 * @throws DetachedError when the daemon hands off; what runs runs on
 */
export async function followExecution(
  parts: AttemptParts,
  following: Following,
): Promise<StopReason | null> {
  const { node, launcher } = parts;
  const over = new AbortController();
  const silent = new AbortController();
  const pulse: Pulse = { at: node.clock.monotonic(), open: true, waiting: 0 };
  const reading = readLog(parts, following, { pulse, signal: silent.signal });
  const guarding = guard(parts, following, { pulse, over: over.signal });
  try {
    await node.engines.answered(node.detach, () => launcher.wait(following.id, node.detach));
    const told = parts.stopReason();
    over.abort();
    if (node.detach.aborted) throw new DetachedError();
    await lastWords(reading, parts, { pulse, following });
    // Its log may have been left before its end: the next life reads it, and judges.
    if (node.detach.aborted) throw new DetachedError();
    return told ?? (await guarding) ?? flood(following, pulse);
  } finally {
    over.abort();
    silent.abort();
    await Promise.allSettled([reading, guarding]);
  }
}

/** Until the log has been read to its end, or has been silent for a while. Nobody reads on in a flood, or when the daemon hands off. */
async function lastWords(
  reading: Promise<void>,
  { node }: AttemptParts,
  { pulse, following }: { readonly pulse: Pulse; readonly following: Following },
): Promise<void> {
  pulse.at = node.clock.monotonic();
  let done = false;
  const read = reading.finally(() => {
    done = true;
  });
  const heard = (): boolean =>
    done || (pulse.open && node.clock.monotonic() - pulse.at >= LAST_WORDS_MS);
  while (!node.detach.aborted && !heard() && flood(following, pulse) === null)
    await Promise.race([read, sleep(LAST_WORDS_MS / 4, node.detach)]);
}

async function readLog(
  { node, launcher }: AttemptParts,
  { id, log }: Following,
  { pulse, signal }: { readonly pulse: Pulse; readonly signal: AbortSignal },
): Promise<void> {
  await node.engines.answered(signal, async () => {
    // What was printed while the engine was away comes only now.
    pulse.at = node.clock.monotonic();
    pulse.open = true;
    try {
      for await (const chunk of launcher.logs(id, { from: log.position, signal })) {
        pulse.at = node.clock.monotonic();
        pulse.waiting = chunk.waiting ?? 0;
        log.push(chunk);
        if (signal.aborted) return;
      }
    } catch (error) {
      pulse.open = false;
      throw error;
    }
  });
}

/** Answers the limit that the execution has passed, if any. */
async function guard(
  parts: AttemptParts,
  following: Following,
  { pulse, over }: { readonly pulse: Pulse; readonly over: AbortSignal },
): Promise<StopReason | null> {
  const { node, run } = parts;
  const attempt = run.attempt.id;
  const told = node.stops.signal(attempt);
  let passed: StopReason | null = null;
  while (!over.aborted && !node.detach.aborted) {
    await node.disk.look();
    const asked = parts.stopReason();
    if (asked === null) passed ??= await limitPassed(parts, following, pulse);
    const reason = asked ?? passed;
    if (reason !== null) {
      writeDown(node, attempt, reason);
      await stopExecution(parts, following.id, over);
    }
    await sleep(TICK_MS, over, node.detach, ...(told.aborted ? [] : [told]));
  }
  return passed;
}

/** What fills the disk must end also when there is no room left to say why. */
function writeDown({ stops, log }: Node, attempt: string, reason: StopReason): void {
  try {
    stops.request(attempt, reason);
  } catch (error) {
    log.error({ attempt, error: String(error) }, "cannot write down why an attempt must end");
  }
}

/** Why it has printed too much; null if it has not. What it prints faster than it is read counts. */
function flood({ log: { position } }: Following, { waiting }: Pulse): StopReason | null {
  if (position.stdout + position.stderr + waiting <= MOST_LOG_BYTES) return null;
  return { outcome: "failed", message: "printed more than 1 GiB" };
}

/** What an engine that does not answer keeps to itself is no silence: that counts anew from its next answer. */
async function fellSilent(
  { node, run, launcher }: AttemptParts,
  { id }: Following,
  pulse: Pulse,
): Promise<boolean> {
  const { silence = Number.POSITIVE_INFINITY } = run.phases.run;
  const passed = (): boolean => pulse.open && node.clock.monotonic() - pulse.at > silence;
  if (!passed()) return false;
  try {
    await launcher.inspect(id);
    return passed();
  } catch {
    pulse.at = node.clock.monotonic();
    return false;
  }
}

/** Repeated by the guard's loop until it has ended: a kill that failed is never forgotten. */
async function stopExecution(
  { node, run, launcher }: AttemptParts,
  id: string,
  over: AbortSignal,
): Promise<void> {
  try {
    await launcher.stop(id, run.phases.stop.timeout);
  } catch (error) {
    if (over.aborted) return;
    const gone = error instanceof EngineGoneError;
    node.log[gone ? "warn" : "error"]({ id, error: String(error) }, "cannot stop an execution");
  }
}

/** The limit that the execution has passed, if any. All by the monotonic clock. */
async function limitPassed(
  parts: AttemptParts,
  following: Following,
  pulse: Pulse,
): Promise<StopReason | null> {
  const { node, run } = parts;
  const { n, lastedMs } = following;
  const now = node.clock.monotonic();
  const { run: limits, stop } = run.phases;
  const startedAt = node.spool.executions(run.attempt.id).find((row) => row.n === n)?.startedAt;
  if ((lastedMs ?? now - (startedAt ?? now)) > limits.timeout)
    return { outcome: "timed_out", message: `ran for longer than ${seconds(limits.timeout)}` };
  if (await fellSilent(parts, following, pulse))
    return { outcome: "silent", message: `printed nothing for ${seconds(limits.silence ?? 0)}` };
  const flooded = flood(following, pulse);
  if (flooded !== null) return flooded;
  // The node's fault, not the cell's: another node may try.
  if (node.disk.exhausted !== null) return { outcome: "invalid", message: node.disk.exhausted };
  if (now > node.contact.stopAt(run.lostAfterMs, stop.timeout))
    return {
      outcome: "invalid",
      message: `cut off from the server for ${seconds(node.contact.silentMs())}`,
    };
  return null;
}

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;
