import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** The command lines of all processes of this machine but zombies. */
export async function commandLines(): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "stat,args"]);
  const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("Z"));
  return lines.map((line) => line.replace(/^\S+\s+/, ""));
}

/** How many processes have exactly this command line. */
export async function countOf(command: string): Promise<number> {
  return (await commandLines()).filter((line) => line === command).length;
}

/** A `sleep` that no other test, of this run or of another one on the machine, has. */
export const ownSleep = (): string => `sleep 9${process.pid}${Math.random().toFixed(6).slice(2)}`;
