import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { Event, Projection } from "../storage/log.ts";
import { runApply } from "./run-projection.ts";
import { sweepApply } from "./sweep-projection.ts";

const REGISTER = `insert into p_nodes (name, inventory, registered_at, draining, revoked) values ($1, $2, $3, 0, 0)
  on conflict (name) do update set inventory = excluded.inventory, registered_at = excluded.registered_at, revoked = 0`;
const DESCRIBE = `insert into p_inventories (node, since, inventory) values ($1, $2, $3)
  on conflict (node, since) do update set inventory = excluded.inventory`;
const DRAIN = "update p_nodes set draining = $2 where name = $1";
const REVOKE = "update p_nodes set revoked = 1 where name = $1";

async function registered(query: Query, { at, body }: Event): Promise<void> {
  const { node, inventory } = body as EventBody<"node.registered">;
  const text = JSON.stringify(inventory);
  await query(REGISTER, [node, text, at]);
  await query(DESCRIBE, [node, at, text]);
}

const drained =
  (draining: boolean) =>
  async (query: Query, { body }: Event): Promise<void> => {
    await query(DRAIN, [(body as EventBody<"node.drained">).node, Number(draining)]);
  };

/** A node that joins again registers again. */
async function principalRevoked(query: Query, { body }: Event): Promise<void> {
  const { principal } = body as EventBody<"principal.revoked">;
  if (principal.startsWith("node:")) await query(REVOKE, [principal.slice("node:".length)]);
}

/** Sweeps, cells, runs, attempts, samples and nodes. */
export const cellsProjection: Projection = {
  name: "cells",
  tables: [
    "p_sweeps",
    "p_cells",
    "p_sweep_cells",
    "p_queues",
    "p_runs",
    "p_attempts",
    "p_samples",
    "p_nodes",
    "p_inventories",
  ],
  apply: {
    ...sweepApply,
    ...runApply,
    "node.registered": registered,
    "node.drained": drained(true),
    "node.resumed": drained(false),
    "principal.revoked": principalRevoked,
  },
};
