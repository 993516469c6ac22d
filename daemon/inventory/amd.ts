import { z } from "zod";
import type { Gpu } from "../../contract/inventory.ts";
import { type FoundGpus, noAnswer } from "./nvidia.ts";
import { isMissing, known, type RunTool } from "./tool.ts";

/** A field may be a number, a text, or `{value, unit}`; which one differs between releases. */
const Field = z.union([
  z.string(),
  z.number().transform(String),
  z
    .object({ value: z.union([z.string(), z.number()]), unit: z.string() })
    .transform(({ value, unit }) => `${value} ${unit}`),
]);
const Group = z.record(z.string(), z.unknown()).catch({});
const Entry = z.looseObject({
  gpu: z.number().optional(),
  bdf: z.string().optional(),
  uuid: z.string().optional(),
  asic: Group.optional(),
  bus: Group.optional(),
  vbios: Group.optional(),
  ifwi: Group.optional(),
  driver: Group.optional(),
  vram: Group.optional(),
  partition: Group.optional(),
  numa: Group.optional(),
});
type Entry = z.infer<typeof Entry>;
/** ROCm 6 answers with a list, ROCm 7 with `{gpu_data: […]}`. */
const Entries = z.union([
  z.array(Entry),
  z.object({ gpu_data: z.array(Entry) }).transform(({ gpu_data }) => gpu_data),
]);

/** The AMD GPUs of this machine, by `amd-smi`, or by `rocm-smi` where that is all there is. */
export async function findAmd(run: RunTool): Promise<FoundGpus> {
  const fixed = await run("amd-smi", ["static", "--json"]);
  if (isMissing(fixed)) return findByRocmSmi(run);
  if (fixed.problem !== null) return noAnswer(fixed.problem);
  const listed = await run("amd-smi", ["list", "--json"]);
  return parseAmdSmi(fixed.stdout, listed.problem === null ? listed.stdout : "[]");
}

/** Reads `amd-smi static --json`, with the UUIDs of `amd-smi list --json`. */
export function parseAmdSmi(fixed: string, listed: string): FoundGpus {
  const entries = entriesOf(fixed);
  if (entries === undefined)
    return { gpus: [], problems: ["amd-smi: its answer is not understood"] };
  const list = entriesOf(listed) ?? [];
  return {
    gpus: entries.map((entry, i) =>
      amdGpu(entry, list.find((one) => one.gpu === entry.gpu) ?? list[i]),
    ),
    problems: [],
  };
}

function entriesOf(json: string): Entry[] | undefined {
  // Warnings may stand in front of the JSON.
  const start = json.search(/[[{]/);
  try {
    return Entries.parse(JSON.parse(json.slice(Math.max(0, start))));
  } catch {
    return undefined;
  }
}

function amdGpu(entry: Entry, listed: Entry | undefined): Gpu {
  const bdf = text(entry.bus, "bdf") ?? listed?.bdf ?? null;
  return {
    uuid: known(listed?.uuid) ?? text(entry.asic, "asic_serial") ?? placeOf(entry, bdf),
    vendor: "amd",
    name: text(entry.asic, "market_name") ?? "AMD GPU",
    arch: text(entry.asic, "target_graphics_version"),
    memoryBytes: bytes(text(entry.vram, "size")),
    pci: bdf?.toLowerCase() ?? null,
    driver: first(entry.driver, ["version", "driver_version"]),
    firmware: first({ ...entry.ifwi, ...entry.vbios }, ["version", "part_number"]),
    partition: partition(entry.partition),
    numaNode: numa(text(entry.numa, "node")),
  };
}

/** A GPU that does not say who it is is known by its place. */
const placeOf = ({ gpu }: Entry, bdf: string | null): string => `pci:${bdf ?? `index-${gpu ?? 0}`}`;

function first(group: Record<string, unknown> | undefined, keys: readonly string[]): string | null {
  return keys.map((key) => text(group, key)).find((found) => found !== null) ?? null;
}

function text(group: Record<string, unknown> | undefined, key: string): string | null {
  const field = Field.safeParse(group?.[key]);
  return field.success ? known(field.data) : null;
}

function partition(group: Record<string, unknown> | undefined): string | null {
  const modes = [text(group, "compute_partition"), text(group, "memory_partition")];
  return modes.filter((mode) => mode !== null).join("/") || null;
}

function numa(node: string | null): number | null {
  const value = node === null ? Number.NaN : Number(node);
  return Number.isInteger(value) && value >= 0 ? value : null;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/** AMD's tools call 2^20 bytes a MB. */
function bytes(size: string | null): number | null {
  const [, value, unit = "B"] = /^([\d.]+)\s*([A-Za-z]*)$/.exec(size ?? "") ?? [];
  const factor = UNITS[unit.toUpperCase() || "B"];
  return value === undefined || factor === undefined ? null : Math.round(Number(value) * factor);
}

async function findByRocmSmi(run: RunTool): Promise<FoundGpus> {
  const wanted = [
    "--showuniqueid",
    "--showproductname",
    "--showbus",
    "--showvbios",
    "--showdriverversion",
    "--showmeminfo",
    "vram",
    "--json",
  ];
  const answer = await run("rocm-smi", wanted);
  if (isMissing(answer)) return { gpus: [], problems: [] };
  if (answer.problem !== null) return noAnswer(answer.problem);
  return parseRocmSmi(answer.stdout);
}

const Cards = z.record(z.string(), z.record(z.string(), z.unknown()));

/** Reads `rocm-smi --json`: one object per card, and one for the system. */
export function parseRocmSmi(json: string): FoundGpus {
  let cards;
  try {
    cards = Cards.parse(JSON.parse(json.slice(Math.max(0, json.indexOf("{")))));
  } catch {
    return { gpus: [], problems: ["rocm-smi: its answer is not understood"] };
  }
  const driver = text(cards["system"], "Driver version");
  const gpus = Object.entries(cards)
    .filter(([name]) => /^card\d+$/.test(name))
    .map(([, card]): Gpu => {
      const pci = text(card, "PCI Bus")?.toLowerCase() ?? null;
      return {
        uuid: text(card, "Unique ID") ?? `pci:${pci ?? "unknown"}`,
        vendor: "amd",
        name: text(card, "Card Series") ?? text(card, "Card series") ?? "AMD GPU",
        arch: text(card, "GFX Version"),
        memoryBytes: bytes(text(card, "VRAM Total Memory (B)")),
        pci,
        driver,
        firmware: text(card, "VBIOS version"),
        partition: null,
        numaNode: null,
      };
    });
  return { gpus, problems: [] };
}
