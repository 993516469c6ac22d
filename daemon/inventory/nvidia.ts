import type { Gpu } from "../../contract/inventory.ts";
import { isMissing, known, type RunTool } from "./tool.ts";

const FIELDS = [
  "uuid",
  "name",
  "pci.bus_id",
  "memory.total",
  "driver_version",
  "vbios_version",
  "mig.mode.current",
];
/** Not known to old drivers, which then refuse the whole query. */
const ARCH_FIELD = "compute_cap";

export interface FoundGpus {
  readonly gpus: readonly Gpu[];
  /** What the tools could not say, one line each. */
  readonly problems: readonly string[];
  /** True when a tool that is there gave no answer: there may be more. */
  readonly unanswered?: boolean;
}

/** The NVIDIA GPUs of this machine. One in MIG mode is left out: its parts are not measured as a whole. */
export async function findNvidia(run: RunTool): Promise<FoundGpus> {
  const query = (fields: readonly string[]) =>
    run("nvidia-smi", [`--query-gpu=${fields.join(",")}`, "--format=csv,noheader,nounits"]);
  const first = await query([...FIELDS, ARCH_FIELD]);
  if (isMissing(first)) return { gpus: [], problems: [] };
  const answer =
    first.problem !== null && first.stdout.includes(ARCH_FIELD) ? await query(FIELDS) : first;
  if (answer.problem !== null) return noAnswer(answer.problem);
  return parseNvidia(answer.stdout);
}

/** What is known where a tool failed. */
export const noAnswer = (problem: string): FoundGpus => ({
  gpus: [],
  problems: [problem],
  unanswered: true,
});

/** Reads the CSV of `nvidia-smi --query-gpu` with the fields above. */
export function parseNvidia(csv: string): FoundGpus {
  const gpus: Gpu[] = [];
  const problems: string[] = [];
  for (const line of csv.split("\n").filter((row) => row.trim() !== "")) {
    const [uuid, name, pci, memory, driver, firmware, mig, arch] = line.split(",").map(known);
    if (!uuid || !/^GPU-[0-9a-f-]+$/i.test(uuid))
      problems.push(`nvidia-smi: a GPU without UUID: ${line.trim()}`);
    else if (mig === "Enabled")
      problems.push(`nvidia-smi: ${uuid} is in MIG mode and is not offered`);
    else
      gpus.push({
        uuid,
        vendor: "nvidia",
        name: name ?? "NVIDIA GPU",
        arch: arch ? `sm_${arch.replace(".", "")}` : null,
        memoryBytes: mebibytes(memory),
        pci: pci ? pciAddress(pci) : null,
        driver: driver ?? null,
        firmware: firmware ?? null,
        partition: mig ?? null,
        numaNode: null,
      });
  }
  return { gpus, problems };
}

function mebibytes(text: string | null | undefined): number | null {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? Math.round(value * 1_048_576) : null;
}

/** `00000000:3B:00.0` as sysfs writes it: `0000:3b:00.0`. */
export const pciAddress = (id: string): string =>
  id
    .trim()
    .toLowerCase()
    .replace(/^0000([0-9a-f]{4}:)/, "$1");
