import type { Principal } from "../../contract/handlers.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { Role } from "../../contract/scopes.ts";
import type { IdentityDeps } from "./deps.ts";
import { type Kind, mayGrant, parsePrincipal, principalId } from "./rules.ts";
import { hasJoined, type JoinTokenRow, rolesOf } from "./store.ts";

type Maker = Pick<Principal, "id" | "kind" | "name" | "scopes">;

/** The part of a join token that decides who may make it. */
interface Wanted {
  readonly kind: Kind;
  readonly name: string | undefined;
  readonly role: Role | undefined;
  readonly project: string | null;
}

/** Whoever may not make tokens for others still may for themselves and for agents that they own or would own. */
export async function refuseStranger(
  { agents, log, standings }: IdentityDeps,
  principal: Maker,
  { kind, name, role, project }: Wanted,
): Promise<void> {
  if (principal.scopes.has("token:write")) return;
  const forbidden = new ProblemError("FORBIDDEN", "you may not make this token", {
    next: "ask an operator or an admin for it: it needs the scope token:write",
  });
  if (principal.kind !== "user" || name === undefined || role !== undefined) throw forbidden;
  if (kind === "user" && name === principal.name) return;
  if (kind !== "agent" || project === null) throw forbidden;
  const scopes = await standings.scopes({ id: principal.id, act: null }, project);
  const agent = await agents.find(log.query, project, name);
  if (!scopes.has("agent:write") || (agent !== null && agent.owner !== principal.id))
    throw forbidden;
}

/**
 * Whether the token is for somebody who exists. Only itself and admins can add a key to it, and only its owner can give
 * the first one to an agent.
 * @throws ProblemError FORBIDDEN, NAME_TAKEN
 */
export async function refuseForeignKey(
  deps: IdentityDeps,
  principal: Maker,
  { kind, name, project }: Wanted,
): Promise<boolean> {
  if (name === undefined) return false;
  const named = principalId(kind, name, project);
  const owner = kind === "agent" ? await ownerOf(deps, project ?? "", name) : undefined;
  const giver = (await hasJoined(deps.log.query, named)) ? named : owner;
  if (giver === undefined) {
    await refuseWaitingRoles(deps, principal, named);
    return false;
  }
  if (principal.id === giver || principal.scopes.has("principal:write")) return true;
  const by = giver === named ? "it" : giver;
  throw new ProblemError("FORBIDDEN", `${named} exists: only ${by} or an admin can give it a key`, {
    next: "choose a new name, or ask an admin",
  });
}

/** Roles can wait for a user who has yet to join: nobody lets one in whom they could not give them. @throws ProblemError FORBIDDEN */
async function refuseWaitingRoles(
  { log, standings }: IdentityDeps,
  { id }: Maker,
  named: string,
): Promise<void> {
  for (const { role, project } of await rolesOf(log.query, named)) {
    if (mayGrant(await standings.scopes({ id, act: null }, project), role)) continue;
    throw new ProblemError(
      "FORBIDDEN",
      `the role ${role} waits for ${named}: you lack its scopes`,
      {
        next: "ask an admin for the token",
      },
    );
  }
}

/** @throws ProblemError NAME_TAKEN for an agent's name in another case */
async function ownerOf(
  { agents, log }: IdentityDeps,
  project: string,
  name: string,
): Promise<string | undefined> {
  const agent = await agents.find(log.query, project, name);
  if (agent === null || agent.name === name) return agent?.owner;
  throw new ProblemError(
    "NAME_TAKEN",
    `the agent is ${agent.name}: names differ by more than case`,
    {
      next: `use ${agent.name}, or choose a new name`,
    },
  );
}

/**
 * Whoever made a token must still be one who may when it is used. Tokens of the server itself are nobody's.
 * @returns the user for whom alone it was made, as they may make none for others
 * @throws ProblemError UNAUTHENTICATED
 */
export async function makerOf(
  deps: IdentityDeps,
  { kind, name, role, project, adds_key, created_by: id }: JoinTokenRow,
): Promise<string | null> {
  if (id === "server") return null;
  const scopes = await deps.standings.scopes({ id, act: null }, null);
  const maker = { id, kind: "user" as const, name: parsePrincipal(id)?.name ?? "", scopes };
  const wanted = { kind, name: name ?? undefined, role: role ?? undefined, project };
  const fallen = new ProblemError(
    "UNAUTHENTICATED",
    `${id} may not make this join token any more`,
    {
      next: "ask for a new join token",
    },
  );
  if (role !== null && !mayGrant(scopes, role)) throw fallen;
  try {
    await refuseStranger(deps, maker, wanted);
    if (adds_key === 1) await refuseForeignKey(deps, maker, wanted);
  } catch (error) {
    throw error instanceof ProblemError ? fallen : error;
  }
  return scopes.has("token:write") ? null : id;
}
