import { z } from "zod";
import { LeaseId } from "../ids.ts";
import { LeaseMode, Resource } from "../resource.ts";

const one = { id: LeaseId };
/** Leases that had ended by expiry or force and that this grant conflicts with: their work is accepted no longer. */
const supersedes = z.array(LeaseId);

/** Bodies of the lease events, by type; version 1 of each. The due times live in `e_deadlines` only. */
export const reservationsEvents = {
  "lease.granted": z.object({
    ...one,
    /** The next value of the project's counter, one for all resources of the lease. */
    fence: z.int(),
    /** The principal that holds it. */
    holder: z.string(),
    mode: LeaseMode,
    resources: z.array(Resource),
    /** Full ref names that it is limited to; null: all. */
    refs: z.array(z.string()).nullable(),
    /** The session whose beats renew it; null: it lives by its TTL. */
    session: z.string().nullable(),
    ttlMs: z.int(),
    reason: z.string().nullable(),
    thread: z.string().nullable(),
    supersedes,
  }),
  "lease.released": z.object(one),
  "lease.expired": z.object(one),
} as const;
