// Child processes of the scripts: each in its own process group, which ends when the script is told to end.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const children = new Set();
let interruption;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    interruption ??= signal;
    for (const child of children) if (child.pid) endGroup(child.pid);
  });
}

function endGroup(pid) {
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // The group has ended by itself.
  }
}

/** The script was told to end; its clean-up runs on the way out. */
export class Interrupted extends Error {}

/** Throws `Interrupted` once a signal has come; called by everything here that waits. */
export function throwIfInterrupted() {
  if (interruption) throw new Interrupted(`interrupted by ${interruption}`);
}

/**
 * Runs a command to its end. Unless `stdio` is `inherit`, `output` is all that it printed and `stdout` the part of it.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} [options]
 * @returns {Promise<{ status: number, stdout: string, output: string }>}
 */
export async function run(command, args, options = {}) {
  throwIfInterrupted();
  const stdio = ["ignore", "pipe", "pipe"];
  const child = spawn(command, args, { stdio, ...options, detached: true });
  children.add(child);
  let stdout = "";
  let output = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
    output += chunk;
  });
  child.stderr?.on("data", (chunk) => (output += chunk));
  const status = await new Promise((resolve) => {
    child.on("error", (error) => {
      output += error.message;
      resolve(127);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
  children.delete(child);
  throwIfInterrupted();
  return { status, stdout, output };
}

/** As `run` with the terminal shared; throws if the command fails. */
export async function must(command, args, options = {}) {
  const { status } = await run(command, args, { stdio: "inherit", ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with status ${status}`);
}

/**
 * Starts a process that runs beside the script; the caller stops it. `stop` asks politely, and after `patience`
 * milliseconds no longer; it answers the exit status, null after a signal.
 */
export function start(command, args, { log, patience = 20_000, ...options }) {
  throwIfInterrupted();
  const output = openSync(log, "w");
  const child = spawn(command, args, {
    ...options,
    stdio: ["ignore", output, output],
    detached: true,
  });
  closeSync(output);
  const ended = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    if ((await Promise.race([ended, sleep(patience, "late", { ref: false })])) === "late") {
      child.kill("SIGKILL");
    }
    await ended;
    return child.exitCode;
  };
  return { child, log, stop };
}
