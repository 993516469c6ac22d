import type { AttemptReport } from "../../contract/run.ts";
import type { Parsed } from "./reading.ts";

export interface Ending {
  /** null: it ended in a way that nobody saw. */
  readonly exitCode: number | null;
  readonly oom: boolean;
  /** Why it was told to end, if it was. */
  readonly stop:
    | (Pick<AttemptReport, "message"> & {
        readonly outcome: AttemptReport["outcome"];
      })
    | null;
  /** null for a warm-up, whose values nobody reads. */
  readonly parsed: Parsed | null;
}

/** 128 + SIGTERM: what an engine that is restarted sends to its containers, and a machine that goes down to its processes. */
const TERMINATED = 143;

/** How an execution ended, from its exit code and what its parser found; never from words in its log. */
export function judge(ending: Ending): Pick<AttemptReport, "outcome" | "message"> {
  const { exitCode, oom, stop, parsed } = ending;
  if (stop !== null) return { outcome: stop.outcome, message: stop.message };
  if (oom)
    return {
      outcome: "oom",
      message: "the container ran out of the memory that the cell asks for",
    };
  if (exitCode === null)
    return {
      outcome: "setup_failed",
      message: "it vanished from the engine, and how it ended is not known",
    };
  if (exitCode === TERMINATED)
    return {
      outcome: "invalid",
      message:
        "exit code 143: ended by SIGTERM, which this daemon did not send: its engine was stopped, or somebody ended it, or its own script",
    };
  if (exitCode !== 0) return { outcome: "failed", message: exitMessage(exitCode) };
  if (parsed !== null && !parsed.ok) return { outcome: "failed", message: parsed.message };
  return { outcome: "ok", message: null };
}

function exitMessage(exitCode: number): string {
  if (exitCode === 126) return "exit code 126: the command cannot be executed";
  if (exitCode === 127) return "exit code 127: there is no such command";
  if (exitCode > 128 && exitCode < 160)
    return `exit code ${exitCode}: ended by signal ${exitCode - 128}`;
  return `exit code ${exitCode}`;
}
