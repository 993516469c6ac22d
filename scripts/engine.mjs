// A container engine for tests and the demo: the one that answers, or on Debian as root a private one that is stopped
// afterwards. Node built-ins only.
import { chmodSync, existsSync, mkdtempSync } from "node:fs";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run, start, throwIfInterrupted } from "./run.mjs";

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const POLICY = "/usr/sbin/policy-rc.d";
const START_MS = 120_000;
const NAMESPACES = ["--net", "--mount", "--propagation", "slave"];
/** With the wish to end when its parent dies, and a loopback interface. */
const DOCKERD = "setpriv --pdeathsig TERM sh -c".split(" ");
DOCKERD.push('ip link set lo up && exec dockerd "$@"', "dockerd");

/** True if an engine answers at a `unix://` or `tcp://` address. */
function answers(host) {
  const url = new URL(host);
  const at =
    url.protocol === "unix:"
      ? { socketPath: url.pathname }
      : { host: url.hostname, port: url.port };
  return new Promise((resolve) => {
    const ping = request({ ...at, path: "/_ping", timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on("timeout", () => ping.destroy());
    ping.on("error", () => resolve(false));
    ping.end();
  });
}

function isDebian() {
  if (!existsSync("/etc/os-release")) return false;
  return /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync("/etc/os-release", "utf8"));
}

/** Why no private engine can be had here, or undefined if one can. */
function obstacle() {
  if (process.env.GRIDPOST_TEST_ENGINE === "skip") return "GRIDPOST_TEST_ENGINE=skip";
  if (process.platform !== "linux" || !isDebian())
    return "this is not Debian; start Docker and set DOCKER_HOST";
  if (process.getuid?.() !== 0) return "this is not root; start Docker and set DOCKER_HOST";
  return undefined;
}

/** Installs Debian's engine without letting its service start; answers the reason if that fails. */
async function install() {
  const has = async (command) => (await run("sh", ["-c", `command -v ${command}`])).status === 0;
  if ((await has("dockerd")) && (await has("iptables")) && (await has("ip"))) return undefined;
  console.error("engine: apt-get install docker.io iptables iproute2");
  const forbidStart = !existsSync(POLICY);
  if (forbidStart) {
    writeFileSync(POLICY, "#!/bin/sh\nexit 101\n");
    chmodSync(POLICY, 0o755);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const packages = ["docker.io", "iptables", "iproute2"];
  const lock = ["-o", "DPkg::Lock::Timeout=300"];
  try {
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
      const { status, output } = await run("apt-get", [...lock, "-qq", ...args], { env });
      if (status !== 0) return `apt-get ${args[0]} failed: ${lastLines(output)}`;
    }
    return undefined;
  } finally {
    if (forbidStart) rmSync(POLICY, { force: true });
  }
}

const lastLines = (text) => text.trim().split("\n").slice(-5).join("\n");

/**
 * Starts dockerd with its own folders, in its own network and mount namespaces: it cannot touch the bridge or the
 * containers of another engine, and its mounts end with it. It is told to end if this process dies.
 */
async function startPrivate(dataRoot) {
  const base = mkdtempSync(join(tmpdir(), "gridpost-engine-"));
  const host = `unix://${base}/docker.sock`;
  const settings = {
    hosts: [host],
    "data-root": dataRoot ?? join(base, "data"),
    "exec-root": join(base, "exec"),
    pidfile: join(base, "pid"),
    // Should a containerd of the system be found, this engine's containers are its own.
    "containerd-namespace": basename(base),
    "containerd-plugins-namespace": `${basename(base)}-plugins`,
    "shutdown-timeout": 5,
  };
  writeFileSync(join(base, "daemon.json"), JSON.stringify(settings));
  const args = [...NAMESPACES, ...DOCKERD, "--config-file", join(base, "daemon.json")];
  const daemon = start("unshare", args, { log: join(base, "log") });
  const stop = async () => {
    await daemon.stop();
    rmSync(base, { recursive: true, force: true });
  };
  try {
    await untilReady(host, daemon);
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, stop };
}

async function untilReady(host, { child, log }) {
  const deadline = Date.now() + START_MS;
  while (!(await answers(host))) {
    throwIfInterrupted();
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new EngineFailed(`dockerd did not start: ${lastLines(readFileSync(log, "utf8"))}`);
    }
    await sleep(50);
  }
}

class EngineFailed extends Error {}

/**
 * The engine that answers at DOCKER_HOST or at its usual socket, else a private one.
 * @param {{ dataRoot?: string }} [options] where a private engine keeps its images; without it they end with the engine
 * @returns {Promise<{ host: string, stop: () => Promise<void> } | { reason: string }>}
 */
export async function provideEngine({ dataRoot } = {}) {
  for (const host of [process.env.DOCKER_HOST, DEFAULT_HOST]) {
    if (host && (await answers(host))) return { host, stop: async () => {} };
  }
  const reason = obstacle() ?? (await install());
  if (reason) return { reason };
  try {
    return await startPrivate(dataRoot);
  } catch (error) {
    if (error instanceof EngineFailed) return { reason: error.message };
    throw error;
  }
}
