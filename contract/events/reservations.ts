import { z } from "zod";
import { LeaseId } from "../ids.ts";
import { LeaseMode, Resource } from "../resource.ts";

/** Bodies of the lease events, by type; version 1 of each. The due times live in `e_deadlines` only. */
export const reservationsEvents = {
  "lease.granted": z.object({
    id: LeaseId,
    /** The next value of the project's counter, one for all resources of the lease. */
    fence: z.int(),
    /** The principal that holds it. */
    holder: z.string(),
    mode: LeaseMode,
    resources: z.array(Resource),
    ttlMs: z.int(),
    reason: z.string().nullable(),
    thread: z.string().nullable(),
  }),
  "lease.released": z.object({ id: LeaseId }),
  "lease.expired": z.object({ id: LeaseId }),
} as const;
