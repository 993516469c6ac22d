import type { LeaseState } from "../contract/reservations.ts";
import type { LeaseMode } from "../contract/resource.ts";

/** Whether its holder has the lease now, be it in grace. */
export const isHeld = (state: LeaseState): boolean => state === "held" || state === "grace";

/**
 * The one rule of acceptance: work under a lease counts while it is held or in grace, and after its expiry for as long
 * as nobody else was granted what it covered.
 */
export const acceptsWork = (state: LeaseState): boolean => isHeld(state) || state === "expired";

/** Two uses of the same thing at the same time are possible only if both are shared. */
export const modesClash = (a: LeaseMode, b: LeaseMode): boolean =>
  a === "exclusive" || b === "exclusive";

/** Whether two leases can meet on a common ref; null is every ref. */
export const refsMeet = (a: readonly string[] | null, b: readonly string[] | null): boolean =>
  a === null || b === null || a.some((ref) => b.includes(ref));

/** A holder as the wire shows it: the name of an agent, the principal of anybody else. */
export const holderName = (principal: string, project: string): string =>
  isAgentOf(principal, project) ? principal.slice(agentsOf(project).length) : principal;

/** Whether a principal is an agent of the project. */
export const isAgentOf = (principal: string, project: string): boolean =>
  principal.startsWith(agentsOf(project));

const agentsOf = (project: string): string => `agent:${project}/`;

/** The principal that `holderName` shows as this. */
export const holderPrincipal = (name: string, project: string): string =>
  name.includes(":") ? name : `${agentsOf(project)}${name}`;
