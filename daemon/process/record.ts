import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readBootId } from "../boot-clock.ts";
import type { Launched } from "../launcher.ts";
import { isAlive, parseStat, type Traces } from "./processes.ts";

/** A wrapper that has no number after so long was never started: the daemon died just before. */
const WRAPPER_START_MS = 5_000;

/** What an execution's folder says of its launch. */
export const ProcessRecord = z.object({
  name: z.string(),
  attempt: z.string(),
  spec: z.string(),
  createdAt: z.number(),
  command: z.array(z.string()),
});
export type ProcessRecord = z.infer<typeof ProcessRecord>;

/** The state of an execution as its folder and the process table tell it; null when there is no such folder. */
export function readLaunched(root: string, name: string): Launched | null {
  const folder = join(root, name);
  const record = read(folder, "spec.json");
  if (record === undefined) return null;
  const { attempt, spec, createdAt } = ProcessRecord.parse(JSON.parse(record));
  return { id: name, name, attempt, spec, createdAt, oom: false, ...stateOf(folder) };
}

const UNSEEN = { exitCode: null, durationMs: null, endedAt: null };

function stateOf(folder: string): Pick<Launched, "state" | "exitCode" | "durationMs" | "endedAt"> {
  const started = modified(folder, "started");
  if (started === undefined) return { state: "created", ...UNSEEN };
  // The code is written after the file appears: an empty one is not there yet.
  const code = /^(\d+)\n/.exec(read(folder, "exit") ?? "")?.[1];
  if (code !== undefined) {
    const endedAt = modified(folder, "exit") ?? started;
    const durationMs = Math.max(0, endedAt - started);
    return { state: "exited", exitCode: Number(code), durationMs, endedAt };
  }
  if (wrapperRuns(folder, started)) return { state: "running", ...UNSEEN };
  return { state: "exited", ...UNSEEN };
}

function wrapperRuns(folder: string, started: number): boolean {
  const wrapper = parseStat(read(folder, "wrapper") ?? "");
  if (wrapper === undefined) return Date.now() - started < WRAPPER_START_MS;
  if (isAlive(wrapper)) return true;
  // It may have written the code and ended between the two looks.
  return /^\d+\n/.test(read(folder, "exit") ?? "");
}

/** How to find the processes of an execution, whatever they did to be forgotten. */
export function tracesOf(root: string, name: string): Traces {
  const folder = join(root, name);
  const child = Number(read(folder, "pid") ?? Number.NaN);
  const [ended = "", boot] = (read(folder, "ended") ?? "").trim().split(" ");
  // Numbers of processes and times after boot mean nothing in another boot: there they fit strangers.
  const known =
    child > 1 &&
    (ended === ""
      ? readLaunched(root, name)?.state === "running"
      : Number(ended) >= 0 && boot === readBootId());
  return {
    mark: markOf(name),
    session: known ? child : undefined,
    endedAt: ended === "" ? Number.POSITIVE_INFINITY : Number(ended),
  };
}

/** A line that stands in the environment of each process of an execution. */
export const markOf = (name: string): string => `GRIDPOST_EXECUTION=${name}`;

export function read(folder: string, file: string): string | undefined {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch {
    return undefined;
  }
}

function modified(folder: string, file: string): number | undefined {
  return statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs;
}
