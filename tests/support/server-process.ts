import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { CLI_ENTRY } from "./cli.ts";

/** `gridpost server` as a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** What it has written to stderr so far. */
  stderr(): string;
  /** Sends a signal and waits for the end; answers the exit code, null after SIGKILL. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts the command; rejects with its stderr if it ends before it listens. */
export async function spawnServer(data: string, ...flags: string[]): Promise<ServerProcess> {
  const command = [CLI_ENTRY, "server", "--data", data, "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, [...command, ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const output: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      output.push(chunk.toString());
      const listening = /^listening on (\S+)$/m.exec(output.join(""));
      if (listening?.[1] !== undefined) resolve(listening[1]);
    });
    child.once("exit", () => reject(new Error(output.join(""))));
  });
  return {
    url,
    pid: child.pid ?? 0,
    stderr: () => output.join(""),
    end: (signal) => end(child, signal),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
  return child.exitCode;
}
