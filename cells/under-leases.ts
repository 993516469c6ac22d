import { PAGE, runsOfLane } from "./claim-store.ts";
import { type Demand, pickGpus } from "./match.ts";
import type { Node } from "./node-store.ts";
import { notBusy } from "./not-busy.ts";
import { parseOnce } from "./parse-once.ts";
import type { LeasePort, Moment } from "./ports.ts";
import type { LaneRow } from "./sweep-store.ts";

/** When somebody looks why runs wait, and whom to ask about leases. */
export interface Look {
  readonly at: Moment;
  readonly leases: LeasePort;
}

/** Runs of one lane that idle nodes could take now. */
export interface Takeable {
  readonly project: string;
  readonly lane: LaneRow;
  readonly idle: readonly Node[];
}

/** On what others hold leases so that none of the nodes takes one all the same; undefined if they leave enough. */
export async function underLeases(
  look: Look,
  takeable: Takeable,
): Promise<"runs" | "gpus" | undefined> {
  const { lane, idle } = takeable;
  const [first] = idle;
  if (first === undefined) return undefined;
  if (lane.queued <= PAGE && (await areLeased(look, takeable, first))) return "runs";
  for (const node of idle) if (await hasGpus(look, takeable, node)) return undefined;
  return "gpus";
}

async function areLeased(
  { at, leases }: Look,
  { project, lane: { queue, lane } }: Takeable,
  { name }: Node,
): Promise<boolean> {
  const runs = await runsOfLane(at.query, { queue, lane, after: -1 });
  const asker = { at, leases, project, holder: `node:${name}` };
  return (await notBusy(runs, ({ id }) => ({ kind: "cell", run: id }), asker)).length === 0;
}

/** Whether leases of others leave the node enough GPUs. */
async function hasGpus(
  { at, leases }: Look,
  { project, lane }: Takeable,
  { name, inventory }: Node,
): Promise<boolean> {
  const demand = parseOnce<Demand>(lane.demand);
  if (demand.gpus === 0) return true;
  const gpus = inventory.gpus.map(({ uuid }) => uuid);
  const asker = { at, leases, project, holder: `node:${name}` };
  const free = await notBusy(gpus, (uuid) => ({ kind: "gpu", node: name, uuid }), asker);
  return pickGpus(demand, inventory, free) !== undefined;
}
