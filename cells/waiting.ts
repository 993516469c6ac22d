import { isAble } from "./able.ts";
import { couldRun, type Demand, imageFits, type Wanted } from "./match.ts";
import { nodeState } from "./node-state.ts";
import { knownNodes, type Node } from "./node-store.ts";
import { parseOnce } from "./parse-once.ts";
import { nodesOf } from "./state.ts";
import { type LaneRow, type SweepRow, waitingLanes } from "./sweep-store.ts";
import { type Look, underLeases } from "./under-leases.ts";

/** How many nodes a reason names. */
const NAMED = 5;
const BUSY = `select substr(holder, 6) as node, count(*) as attempts from p_attempts
  where state in ('claimed', 'running') and holder like 'node:%' group by holder`;

/** Why queued runs of a sweep do not start, one line per reason with how many runs it holds back. */
export async function waitingReasons(
  look: Look,
  { id, project }: Pick<SweepRow, "id" | "project">,
): Promise<string[]> {
  const { query } = look.at;
  const lanes = await waitingLanes(query, id);
  if (lanes.length === 0) return [];
  const nodes = await knownNodes(query);
  const busy = new Map<string, number>();
  for (const { node, attempts } of await query<{ node: string; attempts: number }>(BUSY))
    busy.set(node, attempts);
  const held = new Map<string, number>();
  for (const lane of lanes) {
    const why = await whyNot(lane, { look, project, nodes, busy });
    if (why !== undefined) held.set(why, (held.get(why) ?? 0) + lane.queued);
  }
  return [...held].map(([why, runs]) => `${runs} queued: ${why}`);
}

interface Scene {
  readonly look: Look;
  readonly project: string;
  readonly nodes: readonly Node[];
  /** How many attempts each node works on. */
  readonly busy: ReadonlyMap<string, number>;
}

/** Undefined when a node in service could take them now, or works on others of the same queue. */
async function whyNot(
  row: LaneRow,
  { look, project, nodes, busy }: Scene,
): Promise<string | undefined> {
  const { now } = look.at;
  const { image, image_id: imageId, lane, taken } = row;
  const wanted = { image, imageId, demand: parseOnce<Demand>(row.demand) };
  const able = nodes.filter((node) => isAble({ ...wanted, lane }, node));
  if (able.length === 0) return whyNone(wanted, lane, nodes);
  const ready = able.filter((node) => nodeState(node, now) === "ready");
  if (ready.length === 0) {
    const states = able.map((node) => `${node.name} is ${nodeState(node, now)}`);
    return `no ${lane === "" ? "" : "other "}node that could run them is ready (${some(states)})${failedBy(lane)}`;
  }
  if (taken > 0) return undefined;
  const idle = ready.filter(({ name }) => !busy.has(name));
  if (idle.length > 0) {
    const leased = await underLeases(look, { project, lane: row, idle });
    if (leased === "runs") return "others hold leases on them";
    if (leased === "gpus")
      return `others hold leases on GPUs of ${some(idle.map(({ name }) => name))}`;
    return undefined;
  }
  return `their turn has not come (${some(ready.map(({ name }) => `${name} works on ${busy.get(name)}`))})`;
}

/** Why none of the nodes could ever take them. */
function whyNone(wanted: Wanted, lane: string, nodes: readonly Node[]): string {
  if (nodes.length === 0) return "no node has registered";
  const { image, imageId, demand } = wanted;
  const fitting = nodes.filter(({ inventory }) => couldRun(demand, inventory));
  if (fitting.length === 0)
    return `no known node offers ${inWords(demand)}${demand.gpus > 0 ? `; ${known(nodes)}` : ""}`;
  if (fitting.some((node) => imageFits(wanted, node.images, node.inventory)))
    return `no other node could run them${failedBy(lane)}`;
  return `no node that could run them has ${image} as the sweep is frozen at (${imageId})`;
}

/** The kinds of GPUs that there are, for who has mistyped one. */
function known(nodes: readonly Node[]): string {
  const kinds = nodes.flatMap(({ inventory }) =>
    inventory.gpus.map(({ vendor, arch }) => `${vendor} ${arch ?? "of unknown arch"}`),
  );
  const all = [...new Set(kinds)].toSorted();
  return all.length === 0 ? "no known node has a GPU" : `known are ${some(all)}`;
}

const failedBy = (lane: string): string =>
  lane === "" ? "" : `; failed on ${some(nodesOf(lane))}, they go only to another`;

const some = (all: readonly string[]): string =>
  all.length <= NAMED ? all.join(", ") : `${all.slice(0, NAMED).join(", ")}, …`;

function inWords({ gpus, vendor, arch, memory, cpus, labels, runtime }: Demand): string {
  const kind = [vendor, arch].filter((part) => part !== null).join(" ");
  const size = memory === null ? "" : ` with ${(memory / 2 ** 30).toFixed(0)} GiB each`;
  const wanted = [
    runtime === "any" ? "a runtime" : `the ${runtime} runtime`,
    ...(gpus === 0 ? [] : [`${gpus} ${kind === "" ? "" : `${kind} `}GPU(s)${size}`]),
    ...(cpus === null ? [] : [`${cpus} core(s)`]),
    ...Object.entries(labels).map(([key, value]) => `label ${key}=${value}`),
  ];
  return wanted.join(" and ");
}
