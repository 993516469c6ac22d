import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { ProblemError } from "../contract/problem-error.ts";

export interface ServiceOptions {
  /** How people call it. */
  readonly name: string;
  /** The script of the `gridpost` command. */
  readonly entry: string;
  readonly args: readonly string[];
  /** Where its stderr goes. */
  readonly logFile: string;
}

/** A child process that serves until it is told to stop. */
export interface Service {
  readonly name: string;
  /** Resolves with the first line of its log that matches. @throws ProblemError UNAVAILABLE if it ends before */
  line(pattern: RegExp): Promise<string>;
  /** Resolves when it has ended, with one line on how. */
  readonly ended: Promise<string>;
  /** SIGTERM, and SIGKILL if it takes too long. */
  stop(): Promise<void>;
}

const STOP_MS = 15_000;

/**
 * Starts a `gridpost` service as a child. It is in a process group of its own, so that Ctrl-C reaches the parent only,
 * which stops its services in order; the open IPC channel tells it when the parent is gone.
 */
export function startService({ name, entry, args, logFile }: ServiceOptions): Service {
  const child = spawn(process.execPath, [...process.execArgv, entry, ...args], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    detached: true,
  });
  const log = createWriteStream(logFile, { flags: "a", mode: 0o600 });
  const tail: string[] = [];
  const lines = createInterface({ input: child.stderr ?? process.stdin });
  lines.on("line", (text) => {
    log.write(`${text}\n`);
    tail.push(text);
    if (tail.length > 20) tail.shift();
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`${name} cannot be started: ${error.message}`));
    child.once("close", (code, signal) => {
      log.end();
      resolve(`${name} ended with ${signal ?? `code ${code}`}`);
    });
  });
  return {
    name,
    ended,
    line: async (pattern) => {
      const found = new Promise<string>((resolve) => {
        lines.on("line", (text) => {
          if (pattern.test(text)) resolve(text);
        });
      });
      const first = await Promise.race([found, ended.then(() => undefined)]);
      if (first !== undefined) return first;
      throw new ProblemError("UNAVAILABLE", lastWords(tail) ?? (await ended), {
        next: `correct it and try again; the whole log is ${logFile}`,
      });
    },
    stop: () => stop(child, ended),
  };
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** The problem that a service printed before it ended. */
const lastWords = (tail: readonly string[]): string | undefined =>
  tail.findLast((text) => text.startsWith("gridpost: "))?.replace("gridpost: ", "");
