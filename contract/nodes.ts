import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { AttemptId, Name, SessionId, Time } from "./ids.ts";
import { Gpu, Inventory } from "./inventory.ts";
import { NextCursor, pageQuery } from "./page.ts";

/** `suspect` after 45 s of silence, when nothing new is granted to it; `lost` after 120 s, which is shown only. */
export const NodeState = z.enum(["ready", "unready", "suspect", "lost", "draining", "revoked"]);

export const NodeView = z
  .object({
    name: Name,
    state: NodeState,
    /** Why it is not ready, in one line. */
    reason: z.string().nullable(),
    gpus: z.array(Gpu.extend({ busy: z.boolean() })),
    /** The runtimes it offers, best first, joined by `+`: `docker`, `docker+process`, `process`, or `none`. */
    runtime: z.string(),
    simulated: z.boolean(),
    version: z.string(),
    running: z.int(),
    lastBeatAt: Time.nullable(),
    inventory: Inventory,
  })
  .meta({ id: "Node" });

export const nodes = {
  /** A daemon's first call after start. One live daemon per node: another boot or install id is NODE_SESSION_CONFLICT until the first has been silent for 45 s. */
  register: defineEndpoint({
    method: "POST",
    path: "/v1/nodes/self/register",
    summary: "Say what this node is",
    scope: "node:self",
    body: z.strictObject({ inventory: Inventory, installId: z.uuid(), bootId: z.string().max(64) }),
    response: z.object({ node: Name, beatMs: z.int(), draining: z.boolean(), serverTime: Time }),
  }),
  /** One beat for all sessions of the node; it renews their leases. */
  beat: defineEndpoint({
    method: "POST",
    path: "/v1/nodes/self/beat",
    summary: "Prove that the node lives and renew its sessions",
    scope: "node:self",
    idempotent: false,
    body: z.strictObject({
      installId: z.uuid(),
      ready: z.boolean(),
      reason: z.string().max(500).nullable().default(null),
      sessions: z.array(SessionId).max(1_024),
      /** Images present on the node: familiar name or image id -> repo digest or image id. */
      images: z.record(z.string(), z.string()).default({}),
    }),
    response: z.object({
      serverTime: Time,
      beatMs: z.int(),
      draining: z.boolean(),
      /** Attempts that must stop: their session is lost or their run was cancelled. */
      stop: z.array(z.object({ attempt: AttemptId, why: z.enum(["lost", "cancelled"]) })),
      /** Sessions that the node named and the server does not know as its. */
      lost: z.array(SessionId),
    }),
  }),
  nodes: defineEndpoint({
    method: "GET",
    path: "/v1/nodes",
    summary: "List nodes",
    scope: "node:read",
    query: z.strictObject(pageQuery),
    response: z.object({ nodes: z.array(NodeView), next: NextCursor }),
  }),
  node: defineEndpoint({
    method: "GET",
    path: "/v1/nodes/:node",
    summary: "Show a node",
    scope: "node:read",
    params: z.object({ node: Name }),
    response: NodeView,
  }),
  drain: defineEndpoint({
    method: "POST",
    path: "/v1/nodes/:node/drain",
    summary: "Take no new work; finish what runs",
    scope: "node:admin",
    params: z.object({ node: Name }),
    response: NodeView,
  }),
  resume: defineEndpoint({
    method: "POST",
    path: "/v1/nodes/:node/resume",
    summary: "Take work again",
    scope: "node:admin",
    params: z.object({ node: Name }),
    response: NodeView,
  }),
} as const;
