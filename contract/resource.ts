import { z } from "zod";
import { Name } from "./ids.ts";

/** Whether a lease keeps everybody else out, or only those who want the same exclusively. */
export const LeaseMode = z.enum(["exclusive", "shared"]);
export type LeaseMode = z.infer<typeof LeaseMode>;

/** The longest pattern, in characters. */
export const MAX_PATTERN_LENGTH = 4_096;
/** The most resources that one lease covers. */
export const MAX_RESOURCES = 1_000;

/** The name under which leases know a repository. */
export const RepoName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}]+$/u, "a repository's name has no control characters");

const file = {
  kind: z.literal("file"),
  repo: RepoName,
  pattern: z
    .string()
    .min(1, "a pattern is not empty; `**` covers the whole repository")
    .max(MAX_PATTERN_LENGTH, `a pattern has at most ${MAX_PATTERN_LENGTH} characters`),
};
/** `name@revision`, or a name alone for every use that does not tell revisions apart. */
const model = { kind: z.literal("model"), name: z.string().min(1).max(256) };
const cell = { kind: z.literal("cell"), run: z.string().min(1).max(128) };
const gpu = { kind: z.literal("gpu"), node: Name, uuid: z.string().min(1).max(128) };
/** One unit of the counted semaphore of that name. */
const slot = { kind: z.literal("slot"), name: Name };

/** What a lease can cover. */
export const Resource = z.discriminatedUnion("kind", [
  z.object({
    ...file,
    /** Set by the server for a file of a repository that ignores case. */
    ignoreCase: z.literal(true).optional(),
  }),
  z.object(model),
  z.object(cell),
  z.object(gpu),
  z.object(slot),
]);
export type Resource = z.infer<typeof Resource>;

/** The same in a request, where unknown keys are refused. */
export const ResourceRequest = z.discriminatedUnion("kind", [
  z.strictObject(file),
  z.strictObject(model),
  z.strictObject(cell),
  z.strictObject(gpu),
  z.strictObject(slot),
]);

// Kept apart from the schemas: the command line writes and reads resources without the 50 ms of loading zod.
export { formatResource, parseResource } from "./resource-text.ts";
