import { UnreachableError } from "../contract/client.ts";
import { ProblemError } from "../contract/problem.ts";
import { DetachedError, type Node } from "./node.ts";
import { backoff, sleep } from "./timers.ts";

/** A refusal that another try may change: no answer, an answer of something in between, too much, or not now. */
export function mayPass(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  if (!(error instanceof ProblemError)) return false;
  return error.status >= 500 || error.status === 429 || error.status === 401;
}

/** A result waits no longer than a beat for a server that does not answer. */
const LONGEST_SILENT_PAUSE_MS = 15_000;

export interface Patience {
  readonly node: Pick<Node, "detach" | "log" | "contact">;
  /** Ends the tries; the last error is thrown. */
  readonly signal: AbortSignal;
}

/**
 * Repeats a call that is safe to repeat until the server has taken or refused it, with growing pauses.
 * @throws DetachedError when the daemon hands off; what the server refused
 */
export async function untilTaken<T>(
  { node, signal }: Patience,
  call: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await call();
    } catch (error) {
      if (node.detach.aborted) throw new DetachedError();
      if (!mayPass(error) || signal.aborted) throw error;
      if (failures === 1)
        node.log.warn({ error: String(error) }, "the server does not take a call yet");
      const asked = error instanceof ProblemError ? (error.retryAfterMs ?? 0) : 0;
      const pause = Math.max(asked, backoff(failures));
      if (error instanceof UnreachableError)
        await node.contact.nextBeat(Math.min(pause, LONGEST_SILENT_PAUSE_MS), signal);
      else await sleep(pause, signal);
    }
  }
}
