import type { ChildProcess } from "node:child_process";

const FORWARDED = ["SIGTERM", "SIGHUP"] as const;

/**
 * Leaves to a child what would end this process: it decides what to do, and this process goes on after it.
 * @returns what ends that; it answers the signal that came meanwhile
 */
export function leaveSignalsTo(child: ChildProcess): () => NodeJS.Signals | undefined {
  let came: NodeJS.Signals | undefined;
  const forward = (signal: NodeJS.Signals): void => {
    came = signal;
    child.kill(signal);
  };
  // A terminal sends Ctrl-C to the child as well.
  const leave = (signal: NodeJS.Signals): void => void (came = signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  process.on("SIGINT", leave);
  return () => {
    for (const signal of FORWARDED) process.off(signal, forward);
    process.off("SIGINT", leave);
    return came;
  };
}
