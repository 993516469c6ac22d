import { readdirSync, statSync } from "node:fs";
import type { Gpu } from "../contract/inventory.ts";
import type { Gpus } from "./inventory/gpus.ts";
import { checkNvidia } from "./inventory/nvidia-check.ts";
import type { Launch } from "./launcher.ts";

/** How the GPUs of this node are opened to executions, and whether they are fit for a measurement. */
export interface GpuCare {
  /** The GPUs of a slot as a launch names them, with the device nodes that their vendor's way needs. */
  access(gpus: readonly string[]): Pick<Launch, "gpus" | "devices">;
  /** Why a measurement on these GPUs would not count now, in one line; null when they are clean. */
  problem(gpus: readonly string[]): Promise<string | null>;
  /** Looks again for those that a tool has not told of; true when there are others than before. */
  look(): Promise<boolean>;
}

/** Care for real GPUs, or for simulated ones, which are never dirty and cannot be opened. */
export function gpuCare(gpus: Pick<Gpus, "all" | "look">, simulated: boolean): GpuCare {
  const ofSlot = (uuids: readonly string[]): Gpu[] =>
    simulated ? [] : gpus.all.filter(({ uuid }) => uuids.includes(uuid));
  return {
    look: () => gpus.look(),
    access: (uuids) => {
      const slot = ofSlot(uuids);
      const amd = slot.filter(({ vendor }) => vendor === "amd");
      const paths = amd.length === 0 ? [] : ["/dev/kfd", ...amd.flatMap(renderNodes)];
      return {
        gpus: slot.map(({ uuid, vendor }) => ({ uuid, vendor })),
        devices: paths.map((path) => ({ path, gid: statSync(path).gid })),
      };
    },
    problem: async (uuids) => {
      const slot = ofSlot(uuids);
      const gone = uuids.find((one) => !simulated && !slot.some(({ uuid }) => uuid === one));
      if (gone !== undefined) return `${gone} was not found on this machine`;
      const nvidia = slot.filter(({ vendor }) => vendor === "nvidia");
      return nvidia.length === 0 ? null : checkNvidia(nvidia.map(({ uuid }) => uuid));
    },
  };
}

/** `/dev/dri/renderD…` of a GPU by its PCI address. */
function renderNodes({ pci }: Gpu): string[] {
  if (pci === null) return [];
  try {
    return readdirSync(`/sys/bus/pci/devices/${pci}/drm`)
      .filter((name) => name.startsWith("renderD"))
      .map((name) => `/dev/dri/${name}`);
  } catch {
    return [];
  }
}
