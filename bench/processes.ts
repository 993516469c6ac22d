import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { resolve } from "node:path";

/** A program of this repository that runs beside the bench. */
export interface Program {
  /** The first line that it printed to say that it is ready. */
  readonly ready: string;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  /** Path from the root of the repository, where the harness is started, or an absolute one. */
  readonly file: string;
  readonly args?: readonly string[];
  /** What the line looks like by which it says that it is ready. */
  readonly ready: RegExp;
}

/** Starts a program and waits until it is ready. */
export async function startProgram({ file, args = [], ready }: ProgramOptions): Promise<Program> {
  const child = spawn(process.execPath, [resolve(file), ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const line = await firstLine(child, ready);
  return {
    ready: line,
    stop: async () => {
      const exited = once(child, "exit");
      child.stdin?.end();
      child.kill("SIGTERM");
      await exited;
    },
  };
}

async function firstLine(child: ChildProcess, ready: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const seen: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        seen.push(line);
        if (ready.test(line)) resolve(line);
      });
    }
    child.once("exit", () => reject(new Error(`it ended early: ${seen.join("\n")}`)));
  });
}
