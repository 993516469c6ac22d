import type { RoleGrant } from "./rules.ts";
import type { JoinTokenRow } from "./store.ts";

/** The project that exists from the first start. */
export const DEFAULT_PROJECT = "default";

/** The roles that a key's owner gets with a token: those it names, else member of one project for a person. */
export function grantsOf({
  kind,
  role,
  project,
  adds_key,
}: Pick<JoinTokenRow, "kind" | "role" | "project" | "adds_key">): RoleGrant[] {
  if (adds_key === 1 && role === null) return [];
  if (kind === "node") return [{ role: "node", project: null }];
  if (kind === "agent") return [];
  if (role === null) return [{ role: "member", project: project ?? DEFAULT_PROJECT }];
  if (role === "admin" && project === null)
    return [
      { role, project: null },
      { role, project: DEFAULT_PROJECT },
    ];
  return [{ role, project }];
}
