import { readdirSync, readFileSync } from "node:fs";

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTime: string;
}

interface Stat extends ProcessIdentity {
  readonly state: string;
  readonly session: number;
}

/** Reads a line of `/proc/<pid>/stat`; undefined when it is none. */
export function parseStat(line: string): Stat | undefined {
  // The name stands in brackets and may hold spaces and brackets itself.
  const match = /^(\d+) \(.*\) (\S) (.*)$/s.exec(line.trim());
  const fields = match?.[3]?.split(" ") ?? [];
  const [session, startTime] = [fields[2], fields[18]];
  if (match === null || startTime === undefined) return undefined;
  return { pid: Number(match[1]), state: match[2] ?? "", session: Number(session), startTime };
}

/** True while the process runs; a zombie, or another process with its number, does not count. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readProc(pid, "stat");
  const now = stat === undefined ? undefined : parseStat(stat);
  return now !== undefined && now.startTime === startTime && now.state !== "Z" && now.state !== "X";
}

/** Clock ticks per second in `/proc`, whatever the kernel's own are. */
const TICKS = 100;

/** How the processes of one execution are known. */
export interface Traces {
  /** A line of their environment. */
  readonly mark: string;
  /** The session that they began in; undefined when it is not known. */
  readonly session: number | undefined;
  /** When the first of them had ended, seconds after boot: a later process may have its number. */
  readonly endedAt: number;
}

/**
 * How long after the end a process of the session is still taken for the execution's: what the command left behind may
 * be about to start another. No number of a process comes round again so soon, with its session's first one gone too.
 */
const AFTERMATH_TICKS = 10 * TICKS;

/** Every living process of an execution: what has left its session still has the mark, or else the other way round. */
export function processesOf({ mark, session, endedAt }: Traces): number[] {
  const living = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => parseStat(readProc(Number(entry), "stat") ?? ""))
    .filter((stat) => stat !== undefined)
    .filter(({ pid, state }) => pid !== process.pid && state !== "Z");
  const own = livingSession(living, session, endedAt);
  const others = living.filter((stat) => !own.includes(stat));
  const marked = others.filter(({ pid }) => readProc(pid, "environ")?.split("\0").includes(mark));
  return [...own, ...marked].map(({ pid }) => pid);
}

/**
 * What lives in the session of an execution. The kernel gives a session's number to nobody else while one process is in
 * it: one that is surely the execution's vouches for all, whenever they began.
 */
function livingSession(
  living: readonly Stat[],
  session: number | undefined,
  endedAt: number,
): Stat[] {
  const members = living.filter((stat) => stat.session === session);
  const surely = (before: number): boolean =>
    members.some(({ startTime }) => Number(startTime) <= before);
  const first = living.some(({ pid }) => pid === session);
  const before = endedAt * TICKS;
  return surely(before) || (!first && surely(before + AFTERMATH_TICKS)) ? members : [];
}

function readProc(pid: number, file: "stat" | "environ"): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** Sends a signal; negative for a process group. Gone is gone, and what has another user's rights is not ours to end. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
