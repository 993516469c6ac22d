import { canonicalJson } from "../contract/cell/cell-id.ts";
import type { Handlers, Principal } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { Contract } from "../contract/index.ts";
import type { Inventory } from "../contract/inventory.ts";
import type { Query } from "../storage/db.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { liveAttempts } from "./attempt-store.ts";
import { refuseClone, takeBeat } from "./beat.ts";
import { heldGpus } from "./claim-store.ts";
import { BEAT_MS, SESSION_TTL_MS } from "./node-state.ts";
import { knownNode, type Node, nodeByName, nodePage, recordSign } from "./node-store.ts";
import type { CellsDeps } from "./ports.ts";
import { nodeView } from "./views.ts";

type NodeHandlers = Handlers<Contract["nodes"]>;

/** What a daemon says of itself when it starts. */
interface Registration {
  readonly name: string;
  readonly inventory: Inventory;
  readonly installId: string;
  readonly bootId: string;
}

/** Registering is durable only where the inventory differs from the one that is known. */
async function register(tx: LogTx, registration: Registration): Promise<{ draining: boolean }> {
  const { name, inventory, installId, bootId } = registration;
  const known = await nodeByName(tx.query, name);
  if (known !== undefined) refuseClone(known, registration, tx.now);
  if (known === undefined || known.revoked || changed(known, inventory))
    await tx.append({
      type: "node.registered",
      project: null,
      actor: `node:${name}`,
      body: { node: name, inventory },
    });
  const images = known?.images ?? {};
  const sign = { node: name, installId, bootId, at: tx.now, ready: true, reason: null, images };
  await recordSign(tx.query, sign);
  await tx.setDeadline("node.silent", name, tx.now + SESSION_TTL_MS);
  return { draining: known?.draining ?? false };
}

const changed = (known: Node, inventory: Inventory): boolean =>
  canonicalJson(known.inventory) !== canonicalJson(inventory);

/** Handlers of the nodes' endpoints. */
export function nodesHandlers(deps: CellsDeps): NodeHandlers {
  const { log, leases } = deps;
  const answer = async (query: Query, name: string): Promise<ReturnType<typeof nodeView>> =>
    viewOf(query, await knownNode(query, name), log.now());
  const setDraining = (
    type: "node.drained" | "node.resumed",
    context: { principal: Principal; idempotency: Parameters<typeof callOf>[0]["idempotency"] },
    node: string,
  ): Promise<ReturnType<typeof nodeView>> =>
    log.once(
      callOf(context, [`node:${node}`], node),
      async (tx) => {
        const { draining } = await knownNode(tx.query, node);
        const { actor } = context.principal;
        if (draining !== (type === "node.drained"))
          await tx.append({ type, project: null, actor, body: { node } });
        return answer(tx.query, node);
      },
      (query) => answer(query, node),
    );
  return {
    register: async ({ body, principal: { name } }) => {
      const { draining } = await log.tx([`node:${name}`], (tx) => register(tx, { name, ...body }));
      return { node: name, beatMs: BEAT_MS, draining, serverTime: toTime(log.now()) };
    },
    beat: ({ body, principal: { name } }) =>
      log.tx([`node:${name}`, "claims"], (tx) => takeBeat(tx, leases, { node: name, ...body })),
    nodes: async ({ query: { after = "", limit } }) => {
      const page = await nodePage(log.query, after, limit + 1);
      const shown = page.slice(0, limit);
      const views = await Promise.all(shown.map((node) => viewOf(log.query, node, log.now())));
      return { nodes: views, next: page.length > limit ? (shown.at(-1)?.name ?? null) : null };
    },
    node: ({ params }) => answer(log.query, params.node),
    drain: ({ params, ...context }) => setDraining("node.drained", context, params.node),
    resume: ({ params, ...context }) => setDraining("node.resumed", context, params.node),
  };
}

async function viewOf(query: Query, node: Node, now: number): Promise<ReturnType<typeof nodeView>> {
  const holder = `node:${node.name}`;
  const attempts = await liveAttempts(query, holder);
  const gpus = attempts.length === 0 ? [] : await heldGpus(query, holder);
  return nodeView(node, { gpus, attempts: attempts.length }, now);
}
