import { z } from "zod";
import { Name } from "./ids.ts";

export const LeaseMode = z.enum(["exclusive", "shared"]);
export type LeaseMode = z.infer<typeof LeaseMode>;

/** What a lease can cover. */
export const Resource = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("file"),
    repo: z.string().min(1).max(256),
    pattern: z.string().min(1),
  }),
  z.object({ kind: z.literal("model"), name: z.string().min(1).max(256) }),
  z.object({ kind: z.literal("cell"), run: z.string() }),
  z.object({ kind: z.literal("gpu"), node: Name, uuid: z.string().min(1).max(128) }),
]);
export type Resource = z.infer<typeof Resource>;
