import type { Query } from "../storage/db.ts";
import { couldRun, type Demand } from "./match.ts";
import { nodeState } from "./node-state.ts";
import { knownNodes, type Node } from "./node-store.ts";
import { parseOnce } from "./parse-once.ts";
import { waitingQueues } from "./sweep-store.ts";

/** Why queued runs of a sweep do not start, one line per demand that no known node meets. */
export async function waitingReasons(query: Query, sweep: string, now: number): Promise<string[]> {
  const queues = await waitingQueues(query, sweep);
  if (queues.length === 0) return [];
  const nodes = await knownNodes(query);
  const queued = new Map<string, number>();
  for (const one of queues) queued.set(one.demand, (queued.get(one.demand) ?? 0) + one.queued);
  return [...queued].flatMap(([demand, runs]) => {
    const why = whyNot(parseOnce<Demand>(demand), nodes, now);
    return why === undefined ? [] : [`${runs} queued: ${why}`];
  });
}

/** Why no node can take a demand now; undefined when a node in service could. */
export function whyNot(demand: Demand, nodes: readonly Node[], now: number): string | undefined {
  if (nodes.length === 0) return "no node has registered";
  const able = nodes.filter(({ inventory }) => couldRun(demand, inventory));
  if (able.length === 0) return `no known node offers ${inWords(demand)}`;
  const states = able.map((node) => ({ name: node.name, state: nodeState(node, now) }));
  if (states.some(({ state }) => state === "ready")) return undefined;
  const list = states.slice(0, 5).map(({ name, state }) => `${name} is ${state}`);
  return `no node that could run them is ready (${list.join(", ")})`;
}

function inWords({ gpus, vendor, arch, memory, labels, runtime }: Demand): string {
  const kind = [vendor, arch].filter((part) => part !== null).join(" ");
  const size = memory === null ? "" : ` with ${(memory / 2 ** 30).toFixed(0)} GiB each`;
  const wanted = [
    runtime === "any" ? "a runtime" : `the ${runtime} runtime`,
    ...(gpus === 0 ? [] : [`${gpus} ${kind === "" ? "" : `${kind} `}GPU(s)${size}`]),
    ...Object.entries(labels).map(([key, value]) => `label ${key}=${value}`),
  ];
  return wanted.join(" and ");
}
