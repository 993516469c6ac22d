import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { LeaseId, Name, ThreadId, Time } from "./ids.ts";
import { NextCursor, pageQuery } from "./page.ts";
import { LeaseMode, MAX_RESOURCES, RepoName, Resource, ResourceRequest } from "./resource.ts";

/**
 * `grace`: its session has fallen silent, and it is held still. `superseded`: it had expired, or was replaced by a later
 * fence, and somebody else was granted what it covered, so that work under it no longer counts.
 */
export const LeaseState = z.enum(["held", "grace", "released", "expired", "superseded"]);
export type LeaseState = z.infer<typeof LeaseState>;

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
    /** null when it is no longer held, or for as long as its node beats. */
    expiresAt: Time.nullable(),
  })
  .meta({ id: "Lease" });

/** One lease, or one earlier waiter, in the way of one requested resource. */
export const LeaseConflict = z
  .object({
    /** The requested resource. */
    pattern: z.string(),
    /** The resource of the other side. */
    held: z.string(),
    /** A path that both cover; null for what is not a file. */
    witness: z.string().nullable(),
    /** null: an earlier waiter, who holds nothing yet, or a lease of another project on a GPU, of which no more is told. */
    lease: LeaseId.nullable(),
    holder: z.string(),
    program: z.string().nullable(),
    lastActivityAt: Time.nullable(),
    mode: LeaseMode,
    /** `waiting` for a waiter; `expired` or `released` (by force) during the lock-delay, which ends at `expiresAt`. */
    state: z.string(),
    fence: z.int().nullable(),
    expiresAt: Time.nullable(),
    reason: z.string().nullable(),
    thread: z.string().nullable(),
    /** How many wait for this lease. */
    queue: z.int(),
    /** The command that waits for it. */
    wait: z.string(),
    /** The command that asks its holder; null: it is no agent of the project. */
    ask: z.string().nullable(),
  })
  .meta({ id: "LeaseConflict" });
export type LeaseConflict = z.infer<typeof LeaseConflict>;

/** A place in the queue, by `id`; kept for 30 s after the last call about it. */
export const LeaseTicket = z
  .object({
    id: z.uuid(),
    /** The lease, once granted; its TTL starts when this answer is given. */
    lease: Lease.nullable(),
    /** When waiting ends without a lease. */
    endsAt: Time,
    conflicts: z.array(LeaseConflict),
  })
  .meta({ id: "LeaseTicket" });

const project = z.object({ project: Name });
const lease = project.extend({ lease: LeaseId });
const ticket = project.extend({ ticket: z.uuid() });
/** Milliseconds; the server's settings bound it (`leases.minTtl`, 7 days). */
const TtlMs = z
  .int()
  .min(1, "a lease lives for longer than no time, such as an hour")
  .max(604_800_000, "a lease lives for at most 7 days");
const Reason = z.string().max(1_000);
const Refs = z
  .array(
    z
      .string()
      .max(256)
      .regex(/^[^\s~^:?*[\\\p{Cc}]+$/u, "a ref is a branch or a full ref name, without wildcards"),
  )
  .min(1)
  .max(50);

const demand = {
  resources: z
    .array(ResourceRequest)
    .min(1, "name at least one resource")
    .max(MAX_RESOURCES, `a lease covers at most ${MAX_RESOURCES} resources`),
  mode: LeaseMode.default("exclusive"),
  /** Branches or full ref names that it is limited to. */
  refs: Refs.optional(),
};
const order = {
  ...demand,
  ttlMs: TtlMs.default(3_600_000),
  /** A session of the caller's, made by its first lease; its beats keep the lease, in place of the TTL. */
  session: z.uuid().optional(),
  reason: Reason.optional(),
  thread: ThreadId.optional(),
};

export const reservations = {
  /**
   * All or nothing, unless `partial`. A conflict is RESERVATION_CONFLICT with one `LeaseConflict` for each lease or
   * waiter and resource in the way. An exclusive request for exactly what the caller holds shared
   * upgrades that lease, if both name the same session or none.
   */
  acquire: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases",
    summary: "Acquire a lease on resources as the calling agent",
    scope: "lease:write",
    params: project,
    body: z.strictObject({
      ...order,
      /** Grant what is free, if anything is, and list the rest in `conflicts`. */
      partial: z.boolean().default(false),
    }),
    response: Lease.extend({ conflicts: z.array(LeaseConflict).default([]) }),
  }),
  check: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/check",
    summary: "Ask whether a lease would be granted, without acquiring it",
    scope: "lease:read",
    idempotent: false,
    params: project,
    body: z.strictObject(demand),
    response: z.object({ free: z.boolean(), conflicts: z.array(LeaseConflict) }),
  }),
  renew: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/:lease/renew",
    summary: "Extend a lease from now; revives an expired one if nobody else was granted it",
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
  /** Upgrade takes a new fence and may conflict; downgrade keeps the fence. */
  setMode: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/:lease/mode",
    summary: "Upgrade a lease to exclusive or downgrade it to shared",
    scope: "lease:write",
    params: lease,
    body: z.strictObject({ mode: LeaseMode }),
    response: Lease,
  }),
  transfer: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/:lease/transfer",
    summary: "Hand a lease to another agent, with a new fence; it then lives by its TTL",
    scope: "lease:write",
    params: lease,
    body: z.strictObject({ to: Name }),
    response: Lease,
  }),
  forceRelease: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/leases/:lease/force-release",
    summary: "Take a lease away from its holder, who is told the reason",
    scope: "lease:force",
    params: lease,
    body: z.strictObject({ reason: Reason.min(1, "say why") }),
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
  /** Newest first, in every state. A page may hold fewer than `limit` and still have a `next`. */
  history: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/lease-history",
    summary: "List who held what a resource covers, with which fence",
    scope: "lease:read",
    params: project,
    query: z.strictObject({
      ...pageQuery,
      /** As people write it: a file pattern, or `gpu:node/uuid`, `model:…`, `cell:…`, `slot:…`. */
      resource: z.string().min(1).max(4_096),
      repo: z.string().min(1).max(256).default("default"),
    }),
    response: z.object({
      leases: z.array(Lease.extend({ endedAt: Time.nullable() })),
      next: NextCursor,
    }),
  }),
  /** Grants at once when possible, else queues behind whoever was there before. A wait in a circle is WAIT_CYCLE. */
  enqueue: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/lease-tickets",
    summary: "Acquire a lease, or take a place in the queue for it",
    scope: "lease:write",
    params: project,
    body: z.strictObject({ ...order, waitMs: z.int().min(1).max(86_400_000) }),
    response: LeaseTicket,
  }),
  /** RESERVATION_CONFLICT once `endsAt` has passed, WAIT_CYCLE when it has become part of a circle. */
  awaitTicket: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/lease-tickets/:ticket/wait",
    summary: "Wait for the lease of a ticket",
    scope: "lease:write",
    idempotent: false,
    params: ticket,
    body: z.strictObject({ ms: z.int().min(0).max(60_000).default(20_000) }),
    response: LeaseTicket,
  }),
  leaveQueue: defineEndpoint({
    method: "DELETE",
    path: "/v1/projects/:project/lease-tickets/:ticket",
    summary: "Give up a place in the queue; a lease that it brought meanwhile is released",
    scope: "lease:write",
    params: ticket,
    response: z.object({ id: z.uuid() }),
  }),
  /** A session's leases are in grace after 45 s without a beat and expire after 5 min. */
  beat: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/lease-sessions/:session/beat",
    summary: "Keep all leases of a session",
    scope: "lease:write",
    idempotent: false,
    params: project.extend({ session: z.uuid() }),
    body: z.strictObject({ leases: z.array(LeaseId).max(10_000).default([]) }),
    response: z.object({
      /** Those of the named leases that the session no longer holds. */
      lost: z.array(LeaseId),
      /** When the leases expire without another beat. */
      expiresAt: Time,
    }),
  }),
  defineSlot: defineEndpoint({
    method: "PUT",
    path: "/v1/projects/:project/slots/:slot",
    summary: "Say how many may hold `slot:NAME` at the same time (1 unless said)",
    scope: "lease:force",
    params: project.extend({ slot: Name }),
    body: z.strictObject({ capacity: z.int().min(1).max(10_000) }),
    response: z.object({ name: Name, capacity: z.int() }),
  }),
  defineRepository: defineEndpoint({
    method: "PUT",
    path: "/v1/projects/:project/repositories/:repo",
    summary:
      "Say whether paths of a repository that differ only by case are the same to new leases",
    scope: "lease:force",
    params: project.extend({ repo: RepoName }),
    body: z.strictObject({ ignoreCase: z.boolean() }),
    response: z.object({ name: RepoName, ignoreCase: z.boolean() }),
  }),
} as const;
