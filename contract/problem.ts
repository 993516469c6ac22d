import { z } from "zod";

// Kept apart from the schema: the command line must be able to refuse something without the 50 ms of loading zod.
export { ProblemError, type ProblemCode } from "./problem-error.ts";

/** The body of every answer that is not a success. `next` is the call or command that would help. */
export const Problem = z
  .object({
    code: z.string(),
    message: z.string(),
    details: z.array(z.record(z.string(), z.unknown())).default([]),
    next: z.string().optional(),
    retryAfterMs: z.number().int().optional(),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;
