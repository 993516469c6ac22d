import type { z } from "zod";
import type { TokenKind } from "../../contract/events/identity.ts";
import type { Principal } from "../../contract/handlers.ts";
import {
  AGENT_SCOPES,
  OWN_KEY_SCOPES,
  ROLES,
  type Role,
  type Scope,
} from "../../contract/scopes.ts";

export type Kind = z.infer<typeof TokenKind>;

export interface RoleGrant {
  readonly role: Role;
  /** null: on the server, for every project. */
  readonly project: string | null;
}

/** Belong to no project: whoever holds them in any project holds them. */
const PROJECTLESS: ReadonlySet<Scope> = new Set(["node:read"]);

/** The scopes that roles give for a project, or on the server for `null`. */
export function scopesOf(grants: readonly RoleGrant[], project: string | null): Set<Scope> {
  const scopes = new Set<Scope>();
  for (const grant of grants) {
    const here = grant.project === null || grant.project === project;
    for (const scope of ROLES[grant.role])
      if (here || (project === null && PROJECTLESS.has(scope))) scopes.add(scope);
  }
  return scopes;
}

/** Who stands behind what an agent does. */
export interface AgentSide {
  /** The roles of the user that owns the agent; null: it owns itself. */
  readonly owner: readonly RoleGrant[] | null;
  /** Whether it comes with its own key, and nobody acts as it. */
  readonly ownKey: boolean;
}

/**
 * The scopes of an agent for a project: its own project only (or the server's few that belong to no project), and never
 * more than its owner has there.
 */
export function agentScopes(
  home: string,
  project: string | null,
  { owner, ownKey }: AgentSide,
): Set<Scope> {
  if (project !== null && project !== home) return new Set();
  const all = ownKey ? [...AGENT_SCOPES, ...OWN_KEY_SCOPES] : AGENT_SCOPES;
  const here = all.filter((scope) => project !== null || PROJECTLESS.has(scope));
  if (owner === null) return new Set(here);
  const limit = scopesOf(owner, home);
  return new Set(here.filter((scope) => limit.has(scope)));
}

/** `user:anna`, `node:n1`, `agent:default/blue`. */
export const principalId = (kind: Kind, name: string, project: string | null): string =>
  kind === "agent" ? `agent:${project}/${name}` : `${kind}:${name}`;

/** The parts of a principal's id; undefined if it is none. */
export function parsePrincipal(
  id: string,
): { kind: Kind; name: string; project: string | null } | undefined {
  const match = /^(?:(user|node):([^/:]+)|agent:([^/:]+)\/([^/:]+))$/.exec(id);
  if (match === null) return undefined;
  const [, kind, name, project, agent] = match;
  if (agent !== undefined) return { kind: "agent", name: agent, project: project ?? null };
  return { kind: kind === "node" ? "node" : "user", name: name ?? "", project: null };
}

/** `actor` of events: the principal, or the user and the agent that it acts as. */
export const actorOf = (principal: Pick<Principal, "id" | "act">): string =>
  principal.act === null ? principal.id : `${principal.act}>${principal.id}`;

const MINUTE_MS = 60_000;

/** How long join tokens live: by default, and at most. */
export const JOIN_TTL: Readonly<Record<Kind, { readonly initial: number; readonly max: number }>> =
  {
    user: { initial: 5 * MINUTE_MS, max: 30 * MINUTE_MS },
    agent: { initial: 5 * MINUTE_MS, max: 30 * MINUTE_MS },
    node: { initial: 30 * MINUTE_MS, max: 24 * 60 * MINUTE_MS },
  };

/** Whether every scope of `role` is among `held`: nobody gives what they do not have. */
export const mayGrant = (held: ReadonlySet<Scope>, role: Role): boolean =>
  ROLES[role].every((scope) => held.has(scope) || role === "node");
