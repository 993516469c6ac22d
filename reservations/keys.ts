import { foldCase } from "../contract/pattern/fold.ts";
import { parsePattern } from "../contract/pattern/pattern.ts";
import type { Resource } from "../contract/resource.ts";

/** Where an open lease is found by a request that may conflict with it; the index answers "maybe", never a wrong "no". */
export interface ResourceKeys {
  /** What never meets anything of another scope: the project and the kind, for files with the repository. A GPU is the fleet's. */
  readonly scope: string;
  readonly keys: readonly string[];
}

/**
 * Keys of one resource: its identity, or for a file pattern the directories that its paths start with; without case, so
 * that a repository may begin to ignore it at any time.
 */
export function keysOf(resource: Resource, project: string): ResourceKeys {
  switch (resource.kind) {
    case "file": {
      const prefixes = parsePattern(resource.pattern).alternatives.map(({ prefix }) =>
        foldCase(prefix),
      );
      return { scope: filesOf(project, resource.repo), keys: [...new Set(prefixes)] };
    }
    case "model":
      return { scope: `${project} model`, keys: [resource.name] };
    case "cell":
      return { scope: `${project} cell`, keys: [resource.run] };
    case "gpu":
      return { scope: "gpu", keys: [`${resource.node}/${resource.uuid}`] };
    case "slot":
      return { scope: slotsOf(project), keys: [resource.name] };
  }
}

/** The scope of a repository's files. */
export const filesOf = (project: string, repo: string): string => `${project} file:${repo}`;

/** The scope of a project's semaphores. */
export const slotsOf = (project: string): string => `${project} slot`;

/** Every prefix of a prefix, itself included: `src/api/` -> ``, `src/`, `src/api/`. */
export function ancestorsOf(prefix: string): string[] {
  const ancestors = [""];
  for (let end = prefix.indexOf("/"); end !== -1; end = prefix.indexOf("/", end + 1))
    ancestors.push(prefix.slice(0, end + 1));
  return ancestors;
}

/** The first text, by bytes, after everything that starts with the prefix. */
export const afterPrefix = (prefix: string): string =>
  prefix === "" ? "\u{10ffff}" : `${prefix.slice(0, -1)}0`;
