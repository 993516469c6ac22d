import { z } from "zod";
import { Name } from "./ids.ts";

export const LeaseMode = z.enum(["exclusive", "shared"]);
export type LeaseMode = z.infer<typeof LeaseMode>;

/** The longest pattern, in characters. */
export const MAX_PATTERN_LENGTH = 4_096;
/** The most resources that one lease covers. */
export const MAX_RESOURCES = 1_000;

const file = {
  kind: z.literal("file"),
  repo: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[^\p{Cc}]+$/u, "a repository's name has no control characters"),
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
  z.object(file),
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

/**
 * Reads a resource as people write it: `gpu:node/uuid`, `model:name@revision`, `cell:run`, `slot:name`, anything else is
 * a file pattern of `repo` (write `./gpu:x` for a file of that name).
 */
export function parseResource(text: string, repo: string): Resource {
  const [, kind, rest = ""] = /^(model|cell|gpu|slot):(.+)$/s.exec(text) ?? [];
  if (kind === "model") return { kind, name: rest };
  if (kind === "cell") return { kind, run: rest };
  if (kind === "slot") return { kind, name: rest };
  if (kind === "gpu") {
    const [node = "", ...uuid] = rest.split("/");
    return { kind, node, uuid: uuid.join("/") };
  }
  return { kind: "file", repo, pattern: text };
}

/** The resource as `parseResource` reads it; a file's repository is not part of it. */
export function formatResource(resource: Resource): string {
  switch (resource.kind) {
    case "file":
      return resource.pattern;
    case "model":
      return `model:${resource.name}`;
    case "cell":
      return `cell:${resource.run}`;
    case "gpu":
      return `gpu:${resource.node}/${resource.uuid}`;
    case "slot":
      return `slot:${resource.name}`;
  }
}
