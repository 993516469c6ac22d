import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";

export const archive = {
  status: defineEndpoint({
    method: "GET",
    path: "/v1/archive",
    summary: "How far the Git archive follows the log",
    scope: "journal:read",
    response: z.object({
      lastSeq: z.int(),
      archivedSeq: z.int(),
      lagEvents: z.int(),
      lagSeconds: z.number(),
      /** Head of the journal; null before the first batch. */
      commit: z.string().nullable(),
      /** Why the last batch failed, in one line; null while all is well. */
      error: z.string().nullable().default(null),
      remotes: z.array(
        z.object({
          name: z.string(),
          url: z.string(),
          pushedSeq: z.int().nullable(),
          error: z.string().nullable(),
        }),
      ),
    }),
  }),
} as const;
