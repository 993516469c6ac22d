import { familiarImage } from "../contract/cell/image.ts";
import type { SweepFile } from "../contract/cell/sweep-file.ts";
import type { Gpu, Inventory } from "../contract/inventory.ts";

/** What the runs of a queue ask of a node. */
export interface Demand {
  readonly gpus: number;
  readonly vendor: string | null;
  /** GPU architecture. */
  readonly arch: string | null;
  /** Bytes per GPU. */
  readonly memory: number | null;
  /** Cores of the machine; null: any number. */
  readonly cpus: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly runtime: "docker" | "process" | "any";
}

/** What a node can take now. */
export interface Offer {
  /** UUIDs of clean GPUs that no session holds. */
  readonly gpus: readonly string[];
  readonly slots: number;
  readonly runtimes: readonly string[];
  /** Cores that no process has for itself; left out: any number. */
  readonly cores?: number | undefined;
}

/** Runs that ask for the same, as the store counts them. */
export interface Waiting {
  readonly id: string;
  readonly project: string;
  readonly priority: number;
  readonly submittedAt: number;
  readonly image: string | null;
  /** Frozen identity of the image; null until it is known. */
  readonly imageId: string | null;
  readonly demand: Demand;
  readonly open: number;
  readonly taken: number;
}

export const demandOf = ({ requires, cell }: SweepFile): Demand => ({
  gpus: requires.gpus,
  vendor: requires.vendor ?? null,
  arch: requires.arch ?? null,
  memory: requires.memory ?? null,
  cpus: cell.resources.cpus ?? null,
  labels: requires.labels,
  runtime: cell.runtime,
});

/** Whether a GPU is of the kind that is asked for. What the vendor's tool does not say does not match. */
const suits = (gpu: Gpu, { vendor, arch, memory }: Demand): boolean =>
  (vendor === null || gpu.vendor === vendor) &&
  (arch === null || gpu.arch === arch) &&
  (memory === null || (gpu.memoryBytes ?? 0) >= memory);

const offersRuntime = (demand: Demand, runtimes: readonly string[]): boolean =>
  demand.runtime === "any" ? runtimes.length > 0 : runtimes.includes(demand.runtime);

/** Whether a node could ever run it, were it idle. */
export const couldRun = (demand: Demand, inventory: Inventory): boolean =>
  offersRuntime(demand, inventory.runtimes) &&
  (demand.cpus === null || demand.cpus <= inventory.cpu.count) &&
  Object.entries(demand.labels).every(([key, value]) => inventory.labels[key] === value) &&
  inventory.gpus.filter((gpu) => suits(gpu, demand)).length >= demand.gpus;

/** The GPUs to give, on one NUMA node if one has enough; undefined if too few suit. */
export function pickGpus(
  demand: Demand,
  inventory: Inventory,
  free: readonly string[],
): string[] | undefined {
  if (demand.gpus === 0) return [];
  const usable = inventory.gpus.filter((gpu) => free.includes(gpu.uuid) && suits(gpu, demand));
  const islands = [...new Set(usable.map(({ numaNode }) => numaNode))];
  const whole = islands
    .map((island) => usable.filter(({ numaNode }) => numaNode === island))
    .filter((gpus) => gpus.length >= demand.gpus)
    .toSorted((a, b) => a.length - b.length)[0];
  const from = whole ?? usable;
  return from.length < demand.gpus ? undefined : from.slice(0, demand.gpus).map(({ uuid }) => uuid);
}

/** Images present on a node: familiar name or image id -> repo digest or image id. */
export type Images = Readonly<Record<string, string>>;

/** What a node holds under a name as people write it: an engine lists every name with its tag. */
export function imageOn(images: Images, written: string): string | undefined {
  const name = familiarImage(written);
  return images[name] ?? images[`${name}:latest`];
}

/** Whether it would be a process: where both are offered a node takes the container. */
const asProcess = (
  { image, demand: { runtime } }: Pick<Waiting, "image" | "demand">,
  runtimes: readonly string[],
): boolean =>
  runtime === "process" || (runtime === "any" && (image === null || !runtimes.includes("docker")));

/** Whether the cores are free that a process would have for itself; containers share theirs. */
const coresFree = (waiting: Waiting, { cores, runtimes }: Offer): boolean =>
  cores === undefined ||
  Math.ceil(waiting.demand.cpus ?? 0) <= cores ||
  !asProcess(waiting, runtimes);

/** What is asked for, with the image. */
export type Wanted = Pick<Waiting, "image" | "imageId" | "demand">;

/**
 * A node that holds the image can run it, whatever its name there. One with another image under the name, or without one
 * that only exists locally, cannot run it in a container.
 */
export function imageFits(
  { image, imageId, demand }: Wanted,
  images: Images,
  { runtimes }: Pick<Offer, "runtimes">,
): boolean {
  if (image === null || imageId === null) return true;
  if (asProcess({ image, demand }, runtimes)) return true;
  const own = imageOn(images, image);
  if (own === undefined && imageId.includes("@")) return true;
  return own === imageId || Object.values(images).includes(imageId);
}

export interface Candidate {
  readonly inventory: Inventory;
  readonly images: Images;
  readonly offer: Offer;
}

/** Whether the node can take a run of the queue now. */
export function fitsNow(waiting: Waiting, { inventory, images, offer }: Candidate): boolean {
  const { demand } = waiting;
  if (demand.gpus === 0 && offer.slots < 1) return false;
  return (
    offersRuntime(demand, offer.runtimes) &&
    couldRun(demand, inventory) &&
    coresFree(waiting, offer) &&
    imageFits(waiting, images, offer) &&
    pickGpus(demand, inventory, offer.gpus) !== undefined
  );
}

/**
 * The queues that the node can take from now, in the order to try them: priority, then the project with the least work
 * in hand, then those whose image the node holds, then age. Whether one fits is seen when its turn comes, because the
 * first that does is taken nearly always.
 */
export function* ranked<W extends Waiting>(all: readonly W[], node: Candidate): Generator<W> {
  const inHand = new Map<string, number>();
  for (const { project, taken } of all) inHand.set(project, (inHand.get(project) ?? 0) + taken);
  const holds = ({ image }: Waiting): number =>
    image !== null && imageOn(node.images, image) !== undefined ? 0 : 1;
  const inOrder = all
    .filter(({ open, taken }) => open > taken)
    .toSorted(
      (a, b) =>
        b.priority - a.priority ||
        (inHand.get(a.project) ?? 0) - (inHand.get(b.project) ?? 0) ||
        holds(a) - holds(b) ||
        a.submittedAt - b.submittedAt ||
        (a.id < b.id ? -1 : 1),
    );
  for (const one of inOrder) if (fitsNow(one, node)) yield one;
}
