import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { LeaseId, Name, ThreadId, Time } from "./ids.ts";
import { NextCursor, pageQuery } from "./page.ts";
import { LeaseMode, MAX_RESOURCES, Resource, ResourceRequest } from "./resource.ts";

export const LeaseState = z.enum(["held", "grace", "released", "expired", "superseded"]);

export const Lease = z
  .object({
    id: LeaseId,
    project: Name,
    /** The agent's name, or `node:n1`. */
    holder: z.string(),
    fence: z.int(),
    mode: LeaseMode,
    state: LeaseState,
    resources: z.array(Resource),
    /** Full ref names that it is limited to; null: all. */
    refs: z.array(z.string()).nullable().default(null),
    /** The session whose beats keep it; null: it lives by its TTL. */
    session: z.string().nullable().default(null),
    reason: z.string().nullable(),
    thread: z.string().nullable(),
    grantedAt: Time,
    /** null when it is no longer held. */
    expiresAt: Time.nullable(),
  })
  .meta({ id: "Lease" });

const project = z.object({ project: Name });
const lease = project.extend({ lease: LeaseId });
/** Milliseconds; the server's settings bound it (`leases.minTtl`, 7 days). */
const TtlMs = z.int().min(1).max(604_800_000);

export const reservations = {
  /**
   * All or nothing. A conflict is RESERVATION_CONFLICT with one detail per conflicting lease: `{pattern, holder,
   * expiresAt, fence, reason, thread, lease, witness}`.
   */
  acquire: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases",
    summary: "Acquire a lease on resources as the calling agent",
    scope: "lease:write",
    params: project,
    body: z.strictObject({
      resources: z
        .array(ResourceRequest)
        .min(1, "name at least one resource")
        .max(MAX_RESOURCES, `a lease covers at most ${MAX_RESOURCES} resources`),
      mode: LeaseMode.default("exclusive"),
      ttlMs: TtlMs.default(3_600_000),
      reason: z.string().max(1_000).optional(),
      thread: ThreadId.optional(),
    }),
    response: Lease,
  }),
  renew: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/:lease/renew",
    summary: "Extend a lease from now; never accumulates",
    scope: "lease:write",
    params: lease,
    body: z.strictObject({ ttlMs: TtlMs.optional() }),
    response: Lease,
  }),
  release: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/:lease/release",
    summary: "Release a lease; repeating it changes nothing",
    scope: "lease:write",
    params: lease,
    response: Lease,
  }),
  leases: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/leases",
    summary: "List leases that are held",
    scope: "lease:read",
    params: project,
    query: z.strictObject({
      ...pageQuery,
      holder: z.string().max(160).optional(),
      mine: z.stringbool().default(false),
      kind: z.enum(["file", "model", "cell", "gpu", "slot"]).optional(),
    }),
    response: z.object({ leases: z.array(Lease), next: NextCursor }),
  }),
  lease: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/leases/:lease",
    summary: "Show a lease",
    scope: "lease:read",
    params: lease,
    response: Lease,
  }),
} as const;
