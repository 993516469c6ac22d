import { setTimeout as sleep } from "node:timers/promises";
import { ProblemError } from "../contract/problem-error.ts";
import { UnreachableError } from "../contract/transport.ts";

/** A server that is being restarted is waited for so long. */
export const RESTART_MS = 60_000;
const RETRY_MS = 1_000;

/** A server that is stopping, busy or behind is one to wait for, as is one that cannot be reached. */
export const passes = (error: unknown): error is Error =>
  error instanceof UnreachableError ||
  (error instanceof ProblemError && (error.status >= 500 || error.status === 429));

/** Repeats a call while the server is away for a moment. @throws what the call throws at the end */
export async function patiently<T>(patienceMs: number, call: () => Promise<T>): Promise<T> {
  for (const since = performance.now(); ;) {
    try {
      return await call();
    } catch (error) {
      if (!passes(error) || performance.now() - since >= patienceMs) throw error;
      await sleep(RETRY_MS);
    }
  }
}
