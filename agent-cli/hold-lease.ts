import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:os";
import { ProblemError } from "../contract/problem-error.ts";
import { acquireLease, type Wanted } from "./acquire.ts";
import { leaveSignalsTo } from "./leave-signals.ts";

/** A session falls into grace after 45 s of silence: two beats may get lost. */
const BEAT_MS = 15_000;

export interface Hold extends Wanted {
  /** Who holds the lease. */
  readonly agent: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** The environment that the command inherits. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/**
 * Takes a lease, runs a command while a session of this process keeps it, and releases it. The command finds
 * `GRIDPOST_LEASE` and `GRIDPOST_FENCE` in its environment.
 * @returns the command's exit code, 128 + n for a signal
 * @throws ProblemError without the lease; then the command was never started
 */
export async function holdWhile(hold: Hold): Promise<number> {
  const { api, project, note, command } = hold;
  if (command.length === 0)
    throw new ProblemError("BAD_REQUEST", "there is no command after --", {
      next: "gridpost reserve PATTERN -- COMMAND",
    });
  const session = sessionOf(hold);
  const lease = await acquireLease({ ...hold, order: { ...hold.order, session } });
  const beat = setInterval(() => {
    api(
      "POST /v1/projects/:project/lease-sessions/:session/beat",
      { params: { project, session }, body: { leases: [lease.id] } },
      { unkeyed: true },
    )
      .then(({ lost }) => {
        if (lost.length === 0) return;
        clearInterval(beat);
        note(`gridpost: lease ${lease.id} is lost; what the command does now may be refused`);
      })
      // The lease outlives some lost beats; the next one may get through.
      .catch((error: Error) => note(`gridpost: ${error.message}`));
  }, BEAT_MS);
  try {
    return await execute(command, {
      ...hold.variables,
      GRIDPOST_LEASE: lease.id,
      GRIDPOST_FENCE: String(lease.fence),
    });
  } finally {
    clearInterval(beat);
    await api("POST /v1/projects/:project/leases/:lease/release", {
      params: { project, lease: lease.id },
    }).catch((error: Error) => note(`gridpost: the lease was not released: ${error.message}`));
  }
}

/** The same for the same key of an agent: a command that is repeated goes on with what it may have begun. */
function sessionOf({ project, agent, key }: Hold): string {
  const hex = createHash("sha256")
    .update(JSON.stringify([project, agent, key]))
    .digest("hex");
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`];
  return [...parts, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}

/** Runs a program on this terminal. */
function execute(
  [program = "", ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit", env });
    // The lease is released after it.
    const takeSignals = leaveSignalsTo(child);
    child.once("error", (cause) => {
      const next = "check the command after --";
      reject(
        new ProblemError("BAD_REQUEST", `cannot run ${program}: ${cause.message}`, { next, cause }),
      );
    });
    child.once("close", (code, signal) => {
      takeSignals();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
