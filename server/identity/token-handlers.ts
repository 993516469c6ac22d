import { createHash, randomBytes } from "node:crypto";
import type { EndpointInput } from "../../contract/endpoint.ts";
import type { Handlers, Principal } from "../../contract/handlers.ts";
import type { identity } from "../../contract/identity.ts";
import { newId, toTime } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import { callOf } from "../../storage/idempotency.ts";
import type { NewEvent } from "../../storage/log.ts";
import type { IdentityDeps } from "./deps.ts";
import { DEFAULT_PROJECT } from "./join-grants.ts";
import { mayGrant, principalId } from "./rules.ts";
import {
  endOf,
  hasJoined,
  type JoinTokenRow,
  listTokens,
  projectByName,
  rolesOf,
  tokenById,
} from "./store.ts";
import { decideToken } from "./token-rules.ts";

type TokenHandlers = Pick<Handlers<typeof identity>, "createToken" | "tokens" | "revokeToken">;
type Body = EndpointInput<typeof identity.createToken>["body"];

/** Sorts after every UUID: the first page of a descending list. */
const LAST_ID = "~";

/** A join token for somebody who holds `secret`: what the log keeps, and what is shown once. */
export function makeJoinToken(fingerprint: string): { token: string; hash: string } {
  const token = `gpj_${randomBytes(16).toString("base64url")}.${fingerprint}`;
  return { token, hash: createHash("sha256").update(token).digest("hex") };
}

export function tokenHandlers(deps: IdentityDeps): TokenHandlers {
  const { log } = deps;
  return {
    createToken: async ({ body, principal }) => {
      const created = await newToken(deps, principal, body);
      await log.tx([`token:${created.id}`], (tx) => tx.append(created.event));
      return { id: created.id, token: created.token, expiresAt: created.expiresAt };
    },
    tokens: async ({ query: { after, limit } }) => {
      const rows = await listTokens(log.query, after ?? LAST_ID, limit + 1);
      const page = rows.slice(0, limit);
      return {
        tokens: page.map(tokenView),
        next: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      };
    },
    revokeToken: (call) => {
      const { id } = call.params;
      const reply = { id, revoked: true as const };
      return log.once(
        callOf(call, [`token:${id}`], id),
        async (tx) => {
          const token = await tokenById(tx.query, id);
          if (token === undefined) throw noToken(id);
          const { actor } = call.principal;
          if (token.revoked === 0)
            await tx.append({ type: "token.revoked", project: token.project, actor, body: { id } });
          return reply;
        },
        () => Promise.resolve(reply),
      );
    },
  };
}

interface Created {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: string;
  readonly event: NewEvent;
}

async function newToken(deps: IdentityDeps, principal: Principal, body: Body): Promise<Created> {
  const { log } = deps;
  const project =
    body.kind === "agent" ? (body.project ?? DEFAULT_PROJECT) : (body.project ?? null);
  const { kind, name, role } = body;
  // First, so that nobody learns which projects there are.
  await refuseStranger(deps, principal, { kind, name, role, project });
  if (project !== null && (await projectByName(log.query, project)) === undefined)
    throw new ProblemError("NOT_FOUND", `there is no project ${project}`, {
      next: `gridpost project create ${project}`,
    });
  const decision = decideToken(body, principal.scopes, project);
  const addsKey = await refuseForeignKey(deps, principal, { kind, name, role, project });
  const now = log.now();
  const id = newId();
  const { token, hash } = makeJoinToken(deps.keys().current(now).kid);
  return {
    id,
    token,
    expiresAt: toTime(now + decision.ttlMs),
    event: {
      type: "token.created",
      project,
      actor: principal.actor,
      body: { id, hash, kind: body.kind, uses: body.uses, addsKey, ...decision },
    },
  };
}

interface Wanted {
  readonly kind: Body["kind"];
  readonly name: string | undefined;
  readonly role: Body["role"];
  readonly project: string | null;
}

/** Whoever may not make tokens for others still may for themselves and for agents that they own or would own. */
async function refuseStranger(
  { agents, log, standings }: IdentityDeps,
  principal: Principal,
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
async function refuseForeignKey(
  deps: IdentityDeps,
  principal: Principal,
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
  { id, act }: Principal,
  named: string,
): Promise<void> {
  for (const { role, project } of await rolesOf(log.query, named)) {
    if (mayGrant(await standings.scopes({ id, act }, project), role)) continue;
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

const tokenView = (row: JoinTokenRow) => {
  const end = endOf(row);
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    namePattern: row.name_pattern,
    project: row.project,
    usesLeft: row.uses_left,
    createdAt: toTime(row.created_at),
    expiresAt: end === null ? null : toTime(end),
    revoked: row.revoked === 1,
  };
};

const noToken = (id: string): ProblemError =>
  new ProblemError("NOT_FOUND", `there is no join token ${id}`, { next: "gridpost token ls" });
