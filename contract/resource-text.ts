import type { Resource } from "./resource.ts";

/** Also without a name, which is refused: a variable of the shell that is empty must not become a file. */
const OF_KIND = /^(model|cell|gpu|slot):(.*)$/s;

/**
 * Reads a resource as people write it: `gpu:node/uuid`, `model:name@revision`, `cell:run`, `slot:name`, anything else is
 * a file pattern of `repo` (write `./gpu:x` for a file of that name).
 */
export function parseResource(text: string, repo: string): Resource {
  const [, kind, rest = ""] = OF_KIND.exec(text) ?? [];
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
      return OF_KIND.test(resource.pattern) ? `./${resource.pattern}` : resource.pattern;
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
