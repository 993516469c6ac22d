import { timeOfNonce } from "../runtime/assertion.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { failureOf } from "./failure.ts";

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  /** `warn`: it works, but something is missing for some uses. */
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  readonly next?: string | undefined;
  /** What the command ends with if this is the first failure. */
  readonly exitCode?: number;
}

/** A check that passes with the text that `look` gives, and fails with the problem that it throws. */
export async function checkOf(
  name: string,
  look: () => Promise<string>,
): Promise<{ readonly check: Check; readonly value: string | undefined }> {
  try {
    const value = await look();
    return { check: { name, state: "ok", found: value }, value };
  } catch (error) {
    const { problem } = failureOf(error, { argv: [], key: undefined });
    const { message: found, next } = problem;
    return {
      check: { name, state: "fail", found, next, exitCode: exitCodeOf(error) },
      value: undefined,
    };
  }
}

/** When the server answered, by its time and the local clock, in milliseconds since the epoch. */
export interface ServerAnswer {
  readonly serverTime: number;
  readonly localTime: number;
}

const TIMEOUT_MS = 5_000;

/** Asks `/readyz`, and for the server's own time: neither needs a token. */
export async function checkReachable(
  url: string,
): Promise<{ readonly check: Check; readonly answer: ServerAnswer | undefined }> {
  const name = "reachable";
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const answer = { serverTime: await askTime(url).catch(() => NaN), localTime: Date.now() };
    if (response.ok) return { check: { name, state: "ok", found: "ready" }, answer };
    const next = "look at the server's log";
    const found = `the server answers ${response.status} to /readyz`;
    return { check: { name, state: "fail", found, next }, answer };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const found = cause instanceof Error ? cause.message : String(cause);
    const next = `start it (gridpost up, gridpost server) or check the address ${url}`;
    return {
      check: { name, state: "fail", found, next, exitCode: EXIT.unreachable },
      answer: undefined,
    };
  }
}

/** What the server goes by, which may be another time than its machine shows; NaN if it tells none. */
async function askTime(url: string): Promise<number> {
  const options = { method: "POST", signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await fetch(`${url}/v1/auth/nonce`, options);
  const { expiresAt = "" } = (await response.json()) as { expiresAt?: string };
  return timeOfNonce(expiresAt);
}

/** Further off, the times that are shown here and there do not fit together; a node that is far off takes no work. */
const TOLERANCE_MS = 60_000;

export function checkClock({ serverTime, localTime }: ServerAnswer): Check {
  const name = "clock";
  const skewMs = localTime - serverTime;
  if (Number.isNaN(skewMs)) return { name, state: "warn", found: "the server tells no time" };
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const found = `${seconds} s ${skewMs < 0 ? "behind" : "ahead of"} the server`;
  if (Math.abs(skewMs) <= TOLERANCE_MS) return { name, state: "ok", found };
  const next = "set both clocks (timedatectl set-ntp true), then restart the server";
  return { name, state: "warn", found, next };
}
