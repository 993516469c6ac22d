import { readdirSync, readFileSync } from "node:fs";

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTime: string;
}

/** Reads a line of `/proc/<pid>/stat`; undefined when it is none. */
export function parseStat(
  line: string,
): (ProcessIdentity & { readonly state: string }) | undefined {
  // The name stands in brackets and may hold spaces and brackets itself.
  const match = /^(\d+) \(.*\) (\S) (.*)$/s.exec(line.trim());
  const startTime = match?.[3]?.split(" ")[18];
  if (match === null || startTime === undefined) return undefined;
  return { pid: Number(match[1]), state: match[2] ?? "", startTime };
}

/** True while the process runs; a zombie, or another process with its number, does not count. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readProc(pid, "stat");
  const now = stat === undefined ? undefined : parseStat(stat);
  return now !== undefined && now.startTime === startTime && now.state !== "Z" && now.state !== "X";
}

/** Every living process whose environment has this line, wherever it has moved. */
export function processesMarked(mark: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid && readProc(pid, "environ")?.split("\0").includes(mark))
    .filter((pid) => parseStat(readProc(pid, "stat") ?? "")?.state !== "Z");
}

function readProc(pid: number, file: "stat" | "environ"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** Sends a signal; negative for a process group. Gone is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
