import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, hostname, platform, release, totalmem } from "node:os";
import { z } from "zod";
import { Gpu, type Inventory } from "../../contract/inventory.ts";
import { ProblemError } from "../../contract/problem.ts";
import { findAmd } from "./amd.ts";
import { findNvidia, type FoundGpus } from "./nvidia.ts";
import { runTool, type RunTool } from "./tool.ts";

/** The part of an inventory that is found on the machine; the rest is policy and engine. */
export type Machine = Pick<Inventory, "hostname" | "os" | "kernel" | "cpu" | "memoryBytes">;

export function machine(): Machine {
  const all = cpus();
  const [first] = all;
  return {
    hostname: hostname(),
    os: osName(),
    kernel: release(),
    cpu: {
      model: first?.model.trim() || (cpuInfo("model name") ?? "unknown"),
      // Of the machine, as its engine counts them, also where this process is kept on some of them.
      count: Math.max(all.length, availableParallelism()),
      arch: arch(),
    },
    memoryBytes: totalmem(),
  };
}

function osName(): string {
  const pretty = /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(readText("/etc/os-release"))?.[1];
  return pretty ?? platform();
}

const cpuInfo = (key: string): string | undefined =>
  new RegExp(`^${key}\\s*:\\s*(.+)$`, "m").exec(readText("/proc/cpuinfo"))?.[1];

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The real GPUs of this machine. */
export async function findGpus(run: RunTool = runTool): Promise<FoundGpus> {
  const found = await Promise.all([findNvidia(run), findAmd(run)]);
  return {
    gpus: found.flatMap(({ gpus }) => gpus).map(withNumaNode),
    problems: found.flatMap(({ problems }) => problems),
    ...(found.some(({ unanswered }) => unanswered) ? { unanswered: true } : {}),
  };
}

function withNumaNode(gpu: Gpu): Gpu {
  if (gpu.numaNode !== null || gpu.pci === null) return gpu;
  const node = Number(readText(`/sys/bus/pci/devices/${gpu.pci}/numa_node`) || Number.NaN);
  return Number.isInteger(node) && node >= 0 ? { ...gpu, numaNode: node } : gpu;
}

/** A made-up GPU: what is left out is unknown. */
const SimulatedGpu = z.strictObject({
  ...Gpu.shape,
  arch: Gpu.shape.arch.default(null),
  memoryBytes: Gpu.shape.memoryBytes.default(null),
  pci: Gpu.shape.pci.default(null),
  driver: Gpu.shape.driver.default(null),
  firmware: Gpu.shape.firmware.default(null),
  partition: Gpu.shape.partition.default(null),
  numaNode: Gpu.shape.numaNode.default(null),
});
const SimulatedGpus = z.array(SimulatedGpu).max(64);

/** Reads the file of `--simulate-gpus`. @throws ProblemError BAD_REQUEST when it is missing or not an array of GPUs */
export async function readSimulatedGpus(path: string): Promise<Gpu[]> {
  try {
    return SimulatedGpus.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new ProblemError("BAD_REQUEST", `cannot read simulated GPUs from ${path}: ${why}`, {
      next: 'write a JSON array of {"uuid", "vendor", "name", "arch"?, "memoryBytes"?, …}',
      cause: error,
    });
  }
}
