import { existsSync, readFileSync } from "node:fs";
import type { Launch } from "../launcher.ts";

const TOOLS = {
  setsid: "/usr/bin/setsid",
  setpriv: "/usr/bin/setpriv",
  prlimit: "/usr/bin/prlimit",
  taskset: "/usr/bin/taskset",
} as const;

/** Who runs the processes of cells when the daemon is root: `nobody`. */
export const UNPRIVILEGED_ID = 65_534;

/** Why this machine cannot run cells as processes, or undefined if it can. */
export function processObstacle(root: boolean): string | undefined {
  if (!existsSync(TOOLS.setsid)) return `the process runtime needs ${TOOLS.setsid} (util-linux)`;
  if (root && !existsSync(TOOLS.setpriv))
    return `the process runtime of a daemon that is root needs ${TOOLS.setpriv} (util-linux)`;
  return undefined;
}

/**
 * The commands in front of a cell's own: a process group of its own, another user when the daemon is root, and the
 * limits that exist without a container. Memory is the writable private memory of each process.
 */
export function confinement({ limits, cores }: Launch, root: boolean): string[] {
  const id = String(UNPRIVILEGED_ID);
  const user = [
    TOOLS.setpriv,
    `--reuid=${id}`,
    `--regid=${id}`,
    "--clear-groups",
    "--no-new-privs",
  ];
  return [
    TOOLS.setsid,
    ...(root ? user : []),
    ...resourceLimits(limits, root),
    ...(cores.length === 0 ? [] : [TOOLS.taskset, "-c", cores.join(",")]),
  ];
}

function resourceLimits({ memory, pids }: Launch["limits"], root: boolean): string[] {
  if (!existsSync(TOOLS.prlimit)) return [];
  return [
    TOOLS.prlimit,
    "--core=0",
    ...(memory === null ? [] : [`--data=${memory}`]),
    // The count is per user: it would count the daemon's own user's other processes too.
    ...(pids === null || !root ? [] : [`--nproc=${pids}`]),
  ];
}

/** The cores that the daemon may use and keep processes on. */
export function allowedCores(): number[] {
  if (!existsSync(TOOLS.taskset)) return [];
  const status = readFileSync("/proc/self/status", "utf8");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split("-").map(Number);
    return Number.isNaN(from) ? [] : Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}
