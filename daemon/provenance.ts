import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import type { Node } from "./node.ts";
import type { Plan } from "./spool-rows.ts";

const GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

/** What a reader of the result must know of the machine as it was when the attempt began. Absent is left out. */
export function provenance(
  { inventory, engines, name }: Node,
  runtime: Plan["runtime"],
  gpus: readonly string[],
): Record<string, string> {
  const used = inventory.gpus.filter(({ uuid }) => gpus.includes(uuid));
  const { engine } = engines;
  return present({
    node: name,
    cpu: inventory.cpu.model,
    cores: String(inventory.cpu.count),
    memoryBytes: String(inventory.memoryBytes),
    os: inventory.os,
    kernel: inventory.kernel,
    gridpost: inventory.version,
    nodejs: process.version,
    runtime,
    engine:
      runtime === "docker" && engine !== null ? `${engine.name} ${engine.version}` : undefined,
    governor: readText(GOVERNOR),
    loadBefore: loadavg()
      .map((load) => load.toFixed(2))
      .join(" "),
    gpus: used.length > 0 ? used.map(({ name, uuid }) => `${name} ${uuid}`).join(", ") : undefined,
    gpuDriver: used[0]?.driver ?? undefined,
    numaNodes:
      used.length > 0 ? used.map(({ numaNode }) => String(numaNode)).join(", ") : undefined,
    simulated: inventory.simulated ? "true" : undefined,
  });
}

function present(fields: Record<string, string | undefined>): Record<string, string> {
  const known = Object.entries(fields).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return Object.fromEntries(known);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
