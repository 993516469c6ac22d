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
import { endOf, type JoinTokenRow, listTokens, projectByName, tokenById } from "./store.ts";
import { refuseForeignKey, refuseStranger } from "./token-makers.ts";
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
