import type { Handlers, Principal } from "../../contract/handlers.ts";
import type { identity } from "../../contract/identity.ts";
import { toTime } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import { PROTOCOL_VERSION } from "../../contract/stream.ts";
import { TOKEN_ALGORITHM } from "../../contract/token.ts";
import { packageVersion } from "../../runtime/version.ts";
import type { Query } from "../../storage/db.ts";
import { callOf } from "../../storage/idempotency.ts";
import type { IdentityDeps } from "./deps.ts";
import { exchange } from "./exchange.ts";
import { join } from "./join.ts";
import { refuseLastAdmin } from "./last-admin.ts";
import { isReserved } from "./outside-rules.ts";
import { parsePrincipal } from "./rules.ts";
import {
  agentsWithKeys,
  generationOf,
  hasJoined,
  listProjects,
  projectByName,
  projectNamedLike,
  type ProjectRow,
} from "./store.ts";
import { tokenHandlers } from "./token-handlers.ts";

type IdentityHandlers = Handlers<typeof identity>;

export function identityHandlers(deps: IdentityDeps): IdentityHandlers {
  return {
    ...accessHandlers(deps),
    ...tokenHandlers(deps),
    ...principalHandlers(deps),
    ...projectHandlers(deps),
  };
}

function accessHandlers(
  deps: IdentityDeps,
): Pick<IdentityHandlers, "nonce" | "token" | "join" | "jwks" | "whoami"> {
  const { log, keys, nonces, audience } = deps;
  const server = { version: packageVersion(), protocol: PROTOCOL_VERSION };
  return {
    nonce: () => {
      const { nonce, expiresAt } = nonces.make(log.now());
      return Promise.resolve({ nonce, expiresAt: toTime(expiresAt), audience });
    },
    token: ({ body }) => exchange(deps, body),
    join: ({ body }) => join(deps, body),
    jwks: () =>
      Promise.resolve({
        keys: keys()
          .published(log.now())
          .map(({ kid, jwk }) => ({
            ...jwk,
            kid,
            alg: TOKEN_ALGORITHM,
            use: "sig" as const,
          })),
      }),
    whoami: async ({ principal, query }) => {
      const { id, kind, name, act } = principal;
      const project = query.project ?? principal.project;
      const scopes = await deps.standings.scopes({ id, act }, project);
      // Who acts as an agent sees what that may see: not what else its owner has.
      const own = act === null ? null : [{ project: principal.project ?? "", name }];
      const agents = own ?? (await deps.agents.ownedBy(log.query, id, query.project ?? null));
      const said = { principal: id, kind, name, project: principal.project, act };
      return { ...said, scopes: [...scopes], agents, server };
    },
  };
}

function principalHandlers(
  deps: IdentityDeps,
): Pick<IdentityHandlers, "revokePrincipal" | "readmitPrincipal"> {
  const { log, standings, issuers } = deps;
  return {
    readmitPrincipal: async (call) => {
      const { principal } = call.params;
      const reply = { principal, readmitted: true as const };
      const done = await log.once(
        callOf(call, [`principal:${principal}`], principal),
        async (tx) => {
          await refuseReadmission(deps, tx.query, principal);
          const body = { principal, reason: call.body.reason ?? null };
          const { actor } = call.principal;
          await tx.append({ type: "principal.readmitted", project: null, actor, body });
          return reply;
        },
        () => Promise.resolve(reply),
      );
      standings.clear();
      return done;
    },
    revokePrincipal: async (call) => {
      const { principal } = call.params;
      const reply = { principal, revoked: true as const };
      const done = await log.once(
        callOf(call, [`principal:${principal}`, "admins"], principal),
        async (tx) => {
          if (!(await canBeRevoked(tx.query, principal, issuers))) throw noPrincipal(principal);
          await refuseLastAdmin(tx.query, issuers, principal);
          const reason = call.body.reason ?? null;
          const { actor } = call.principal;
          for (const one of [principal, ...(await keyedAgentsOf(deps, tx.query, principal))]) {
            const body = { principal: one, reason };
            await tx.append({ type: "principal.revoked", project: null, actor, body });
          }
          return reply;
        },
        () => Promise.resolve(reply),
      );
      standings.clear();
      return done;
    },
  };
}

/** Whoever has joined, or may join, comes back as everybody comes. @throws ProblemError NOT_FOUND, CONFLICT */
async function refuseReadmission(
  { issuers }: IdentityDeps,
  query: Query,
  principal: string,
): Promise<void> {
  const { kind, name = "" } = parsePrincipal(principal) ?? {};
  if (kind === undefined) throw noPrincipal(principal);
  if (kind !== "user" || !isReserved(issuers, name) || (await hasJoined(query, principal)))
    throw new ProblemError("CONFLICT", `${principal} comes from no outside issuer`, {
      next: `gridpost token create --kind ${kind} --name ${name}`,
    });
  if ((await generationOf(query, principal)) === undefined)
    throw new ProblemError("NOT_FOUND", `${principal} is not revoked`, { next: "gridpost audit" });
}

/** Whoever can act as somebody can give keys to the agents that those own, and would come back with them. */
async function keyedAgentsOf(
  { agents }: IdentityDeps,
  query: Query,
  owner: string,
): Promise<string[]> {
  const owned: string[] = [];
  for (const agent of await agentsWithKeys(query)) {
    const { project, name = "" } = parsePrincipal(agent) ?? {};
    const found = agent === owner ? null : await agents.find(query, project ?? "", name);
    if (found?.owner === owner) owned.push(agent);
  }
  return owned;
}

/** Who has joined, and who can act without having joined: agents of others and users of outside issuers. */
async function canBeRevoked(
  query: Query,
  principal: string,
  issuers: IdentityDeps["issuers"],
): Promise<boolean> {
  const parts = parsePrincipal(principal);
  if (parts?.kind === "agent") return true;
  if (parts?.kind === "user" && isReserved(issuers, parts.name)) return true;
  return (await generationOf(query, principal)) !== undefined;
}

function projectHandlers({
  log,
  standings,
  countProject,
}: IdentityDeps): Pick<IdentityHandlers, "createProject" | "projects" | "project"> {
  const find = async (name: string): Promise<ProjectRow> => {
    const row = await projectByName(log.query, name);
    if (row === undefined) throw noProject(name);
    return row;
  };
  const mayRead = async ({ id, act }: Principal, project: string): Promise<boolean> =>
    (await standings.scopes({ id, act }, project)).has("project:read");
  return {
    createProject: (call) => {
      const { name } = call.body;
      return log.once(
        callOf(call, [`project:${name.toLowerCase()}`], name),
        async (tx) => {
          const taken = await projectNamedLike(tx.query, name);
          if (taken !== undefined)
            throw new ProblemError("NAME_TAKEN", `project ${taken.name} exists`, {
              next: `gridpost project show ${taken.name}`,
            });
          const { actor } = call.principal;
          await tx.append({ type: "project.created", project: name, actor, body: { name } });
          return { name, createdAt: toTime(tx.now) };
        },
        async (query) => {
          const row = await projectByName(query, name);
          return { name, createdAt: toTime(row?.created_at ?? 0) };
        },
      );
    },
    projects: async ({ principal, query: { after, limit } }) => {
      const readable: ProjectRow[] = [];
      let from = after ?? "";
      for (;;) {
        const rows = await listProjects(log.query, from, limit);
        for (const row of rows) if (await mayRead(principal, row.name)) readable.push(row);
        const last = rows.at(-1);
        if (last === undefined || rows.length < limit || readable.length > limit) break;
        from = last.name;
      }
      const page = readable.slice(0, limit);
      const next = readable.length > limit ? (page.at(-1)?.name ?? null) : null;
      return {
        projects: page.map(({ name, created_at }) => ({ name, createdAt: toTime(created_at) })),
        next,
      };
    },
    project: async ({ params }) => {
      const { name, created_at } = await find(params.project);
      const counts = await countProject(log.query, name);
      return { name, createdAt: toTime(created_at), ...counts };
    },
  };
}

const noProject = (name: string): ProblemError =>
  new ProblemError("NOT_FOUND", `there is no project ${name}`, { next: "gridpost project ls" });

/** Where the names of a kind are listed; users where they have a role. */
const LISTS = {
  user: "gridpost role ls",
  node: "gridpost node ls",
  agent: "gridpost agent ls",
} as const;

function noPrincipal(id: string): ProblemError {
  const parts = parsePrincipal(id);
  const form = "write it as user:NAME, node:NAME or agent:PROJECT/NAME";
  const next = parts === undefined ? form : LISTS[parts.kind];
  return new ProblemError("NOT_FOUND", `there is no principal ${id}`, { next });
}
