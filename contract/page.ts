import { z } from "zod";

/** The query of every list: `after` is the `next` of the previous page. */
export const pageQuery = {
  after: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
};

/** The `next` of every list but the inbox: null when the list is at its end. */
export const NextCursor = z.string().nullable();
