import type { Inventory } from "../contract/inventory.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Images } from "./match.ts";
import type { Liveness } from "./node-state.ts";
import { parseOnce } from "./parse-once.ts";

/** A node as it registered and as it last beat. */
export interface Node extends Liveness {
  readonly name: string;
  readonly inventory: Inventory;
  readonly reason: string | null;
  readonly images: Images;
  readonly installId: string | null;
  readonly bootId: string | null;
}

interface NodeRow {
  readonly name: string;
  readonly inventory: string;
  readonly draining: number;
  readonly revoked: number;
  readonly install_id: string | null;
  readonly boot_id: string | null;
  readonly beat_at: number | null;
  readonly ready: number | null;
  readonly reason: string | null;
  readonly images: string | null;
}

const NODES = `select n.name, n.inventory, n.draining, n.revoked, e.install_id, e.boot_id, e.beat_at, e.ready, e.reason,
    e.images
  from p_nodes n left join e_nodes e on e.node = n.name`;
const TAKER = `select n.inventory, n.draining, n.revoked, e.beat_at, e.ready, e.images
  from p_nodes n left join e_nodes e on e.node = n.name where n.name = $1`;
const ONE = `${NODES} where n.name = $1`;
const PAGE = `${NODES} where n.name > $1 order by n.name limit $2`;
const KNOWN = `${NODES} where n.revoked = 0`;
const SAY = `insert into e_nodes (node, install_id, boot_id, beat_at, ready, reason, images)
  values ($1, $2, $3, $4, $5, $6, $7)
  on conflict (node) do update set install_id = excluded.install_id, boot_id = excluded.boot_id,
    beat_at = excluded.beat_at, ready = excluded.ready, reason = excluded.reason, images = excluded.images`;

/** What decides whether a node may take work, and which. */
export type Taker = Omit<Node, "name" | "reason" | "installId" | "bootId">;
type TakerRow = Omit<NodeRow, "name" | "reason" | "install_id" | "boot_id">;

const toTaker = (row: TakerRow): Taker => ({
  inventory: parseOnce<Inventory>(row.inventory),
  draining: row.draining === 1,
  revoked: row.revoked === 1,
  beatAt: row.beat_at,
  ready: row.ready === 1,
  images: row.images === null ? {} : parseOnce<Images>(row.images),
});

const toNode = (row: NodeRow): Node => ({
  ...toTaker(row),
  name: row.name,
  reason: row.reason,
  installId: row.install_id,
  bootId: row.boot_id,
});

export async function nodeByName(query: Query, name: string): Promise<Node | undefined> {
  const [row] = await query<NodeRow>(ONE, [name]);
  return row === undefined ? undefined : toNode(row);
}

/** The part of `nodeByName` that every claim needs. */
export async function takerByName(query: Query, name: string): Promise<Taker | undefined> {
  const [row] = await query<TakerRow>(TAKER, [name]);
  return row === undefined ? undefined : toTaker(row);
}

/** @throws ProblemError NOT_FOUND */
export async function knownNode(query: Query, name: string): Promise<Node> {
  const node = await nodeByName(query, name);
  if (node !== undefined) return node;
  throw new ProblemError("NOT_FOUND", `no node ${name} has registered`, {
    next: "gridpost node ls",
  });
}

export async function nodePage(query: Query, after: string, limit: number): Promise<Node[]> {
  return (await query<NodeRow>(PAGE, [after, limit])).map(toNode);
}

/** Every node that has registered and is not revoked. */
export async function knownNodes(query: Query): Promise<Node[]> {
  return (await query<NodeRow>(KNOWN)).map(toNode);
}

/** What a node says of itself at this moment. */
export interface Sign {
  readonly node: string;
  readonly installId: string;
  readonly bootId: string;
  readonly at: number;
  readonly ready: boolean;
  readonly reason: string | null;
  readonly images: Images;
}

/** Keeps a sign of life. */
export async function recordSign(query: Query, sign: Sign): Promise<void> {
  const { node, installId, bootId, at, ready, reason, images } = sign;
  await query(SAY, [node, installId, bootId, at, Number(ready), reason, JSON.stringify(images)]);
}
