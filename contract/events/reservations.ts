import { z } from "zod";
import { LeaseId, Name } from "../ids.ts";
import { LeaseMode, Resource } from "../resource.ts";

const one = { id: LeaseId };
/** The next value of the project's counter, one for all resources of the lease. */
const fence = z.int();
/** Leases that had ended by expiry or force and that this one conflicts with: their work is accepted no longer. */
const supersedes = z.array(LeaseId);

/** Bodies of the lease events, by type; version 1 of each. The due times live in `e_deadlines` only. */
export const reservationsEvents = {
  "lease.granted": z.object({
    ...one,
    fence,
    /** The principal that holds it. */
    holder: z.string(),
    mode: LeaseMode,
    resources: z.array(Resource),
    /** Full ref names that it is limited to; null: all. */
    refs: z.array(z.string()).nullable(),
    /** The session whose beats keep it; null: it lives by its TTL. */
    session: z.string().nullable(),
    ttlMs: z.int(),
    reason: z.string().nullable(),
    thread: z.string().nullable(),
    supersedes,
    /** The place in the queue that brought it; null: it was free. */
    ticket: z.string().nullable(),
  }),
  "lease.released": z.object(one),
  /** Its session fell silent: still the holder's, but the holder should speak. */
  "lease.grace_started": z.object(one),
  /** Held again, after grace or after an expiry that nobody else had used. */
  "lease.revived": z.object(one),
  "lease.expired": z.object(one),
  "lease.upgraded": z.object({ ...one, fence, supersedes, ticket: z.string().nullable() }),
  "lease.downgraded": z.object(one),
  "lease.transferred": z.object({ ...one, fence, supersedes, from: z.string(), to: z.string() }),
  "lease.force_released": z.object({ ...one, holder: z.string(), reason: z.string() }),
  /** The guard of a clone was switched off for a commit or push; `at` is that machine's time. */
  "guard.bypassed": z.object({
    repo: z.string(),
    hook: z.string(),
    at: z.string(),
    head: z.string().nullable(),
  }),
  "slot.defined": z.object({ name: Name, capacity: z.int() }),
  /** Leases that were granted before keep their rule. */
  "repository.defined": z.object({ name: z.string(), ignoreCase: z.boolean() }),
} as const;
