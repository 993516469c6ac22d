import { z } from "zod";
import { ProblemError } from "./problem-error.ts";

/** The query of every list: `after` is the `next` of the previous page. */
export const pageQuery = {
  after: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
};

/** The `next` of every list but the inbox: null when the list is at its end. */
export const NextCursor = z.string().nullable();

/** Where a list goes on whose cursor is a number; `start` on its first page. @throws ProblemError BAD_REQUEST for any other text */
export function numberCursor(after: string | undefined, start: number): number {
  if (after === undefined) return start;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new ProblemError("BAD_REQUEST", `${JSON.stringify(after)} is not a cursor of this list`, {
    next: "give the `next` of the page before",
  });
}
