import { execFile } from "node:child_process";
import { request } from "node:http";
import { promisify } from "node:util";
import type { Check } from "./server-checks.ts";

const MIN_NODE = [20, 19] as const;

export function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const name = "node.js";
  const found = process.version;
  const enough = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  return enough
    ? { name, state: "ok", found }
    : { name, state: "fail", found, next: `install Node.js ${MIN_NODE.join(".")} or newer` };
}

/** The server writes its archive with git. */
export async function checkGit(): Promise<Check> {
  const name = "git";
  try {
    const { stdout } = await promisify(execFile)("git", ["--version"]);
    return { name, state: "ok", found: stdout.trim() };
  } catch {
    const next = "install git: the server's archive and the names of repositories need it";
    return { name, state: "warn", found: "not found", next };
  }
}

const DEFAULT_SOCKET = "/var/run/docker.sock";
const TIMEOUT_MS = 3_000;

/** Only a node needs an engine, and only for cells that run in containers. */
export async function checkEngine(dockerHost: string | undefined): Promise<Check> {
  const name = "engine";
  const socketPath = (dockerHost ?? `unix://${DEFAULT_SOCKET}`).replace(/^unix:\/\//, "");
  if (!socketPath.startsWith("/"))
    return { name, state: "warn", found: `${socketPath} is not a local socket: not checked` };
  try {
    const found = `API ${await engineVersion(socketPath)} at ${socketPath}`;
    return { name, state: "ok", found };
  } catch (error) {
    const found = `no container engine at ${socketPath}: ${error instanceof Error ? error.message : String(error)}`;
    const next = "for a node: start Docker, or run the daemon with --allow-process";
    return { name, state: "warn", found, next };
  }
}

function engineVersion(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: "/_ping", timeout: TIMEOUT_MS }, (answer) => {
      answer.resume();
      resolve(String(answer.headers["api-version"] ?? "unknown"));
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", reject);
    asked.end();
  });
}
