import type { access } from "../../contract/access.ts";
import type { CallContext, Handlers } from "../../contract/handlers.ts";
import { toTime } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { Role } from "../../contract/scopes.ts";
import type { Query } from "../../storage/db.ts";
import { callOf } from "../../storage/idempotency.ts";
import type { LogTx } from "../../storage/log.ts";
import { type AuditRow, listAudit, listRoles, type RoleRow } from "./access-store.ts";
import type { IdentityDeps } from "./deps.ts";
import { refuseLastAdmin } from "./last-admin.ts";
import { isReserved } from "./outside-rules.ts";
import { mayGrant } from "./rules.ts";
import { createSigningKey } from "./signing-keys.ts";
import { hasJoined, projectByName, rolesOf, signingKeys } from "./store.ts";

type AccessHandlers = Handlers<typeof access>;

/** Roles, signing keys and the audit: what administrators do and look at. */
export const accessHandlers = (deps: IdentityDeps): AccessHandlers => ({
  ...roleHandlers(deps),
  ...keyHandlers(deps),
  ...auditHandlers(deps),
});

interface Change {
  readonly type: "role.granted" | "role.revoked";
  readonly principal: string;
  readonly role: Role;
  readonly project: string | null;
  /** The user may have yet to join. */
  readonly ahead?: boolean;
}

type RoleHandlers = Omit<AccessHandlers, "rotateKey" | "audit">;

function roleHandlers(deps: IdentityDeps): RoleHandlers {
  const { log, standings } = deps;
  const change = async (
    context: CallContext,
    wanted: Change,
  ): Promise<Pick<Change, "principal" | "role" | "project">> => {
    const { type, principal, role, project } = wanted;
    if (!mayGrant(context.principal.scopes, role)) {
      throw new ProblemError(
        "FORBIDDEN",
        `you cannot deal in the role ${role}: you lack its scopes`,
      );
    }
    const body = { principal, role, project };
    const done = await log.once(
      callOf(context, [`roles:${principal}`, "admins"], principal),
      async (tx) => {
        await refuseImpossible(deps, tx, wanted);
        await refuseUnknown(deps, tx, wanted);
        await tx.append({ type, project, actor: context.principal.actor, body });
        return body;
      },
      () => Promise.resolve(body),
    );
    standings.clear();
    return done;
  };
  const page = async (
    project: string | null,
    { after, limit }: { after?: string | undefined; limit: number },
  ) => {
    const rows = await listRoles(log.query, { project, after: after ?? "", limit: limit + 1 });
    const shown = rows.slice(0, limit);
    return {
      roles: shown.map(({ principal, role, project: at }) => ({
        principal,
        role,
        project: at === "" ? null : at,
      })),
      next: rows.length > limit ? cursorOf(shown.at(-1)) : null,
    };
  };
  return {
    roles: ({ query }) => page(null, query),
    projectRoles: ({ params, query }) => page(params.project, query),
    grantRole: ({ body, ...context }) =>
      change(context, { type: "role.granted", project: null, ...body }),
    revokeRole: ({ body, ...context }) =>
      change(context, { type: "role.revoked", project: null, ...body }),
    grantProjectRole: ({ params: { project }, body, ...context }) =>
      change(context, { type: "role.granted", project, ...body }),
    revokeProjectRole: ({ params: { project }, body, ...context }) =>
      change(context, { type: "role.revoked", project, ...body }),
  };
}

const cursorOf = (row: RoleRow | undefined): string | null => row?.place ?? null;

async function refuseImpossible(
  { issuers }: IdentityDeps,
  { query }: LogTx,
  { type, principal, role, project }: Change,
): Promise<void> {
  if (project !== null && (await projectByName(query, project)) === undefined)
    throw new ProblemError("NOT_FOUND", `there is no project ${project}`, {
      next: "gridpost project ls",
    });
  if (type === "role.granted" || role !== "admin" || project !== null) return;
  await refuseLastAdmin(query, issuers, principal);
}

/** Nobody is given a role by a slip of the pen, and none is taken that nobody has. @throws ProblemError NOT_FOUND */
async function refuseUnknown(
  { issuers }: IdentityDeps,
  { query }: LogTx,
  { type, principal, role, project, ahead }: Change,
): Promise<void> {
  if (type === "role.revoked") {
    const held = await rolesOf(query, principal);
    if (held.some((one) => one.role === role && one.project === project)) return;
    const where = project === null ? "on the server" : `in project ${project}`;
    throw new ProblemError("NOT_FOUND", `${principal} does not have the role ${role} ${where}`, {
      next: "gridpost role ls",
    });
  }
  const name = principal.slice("user:".length);
  if (ahead === true || isReserved(issuers, name) || (await hasJoined(query, principal))) return;
  throw new ProblemError("NOT_FOUND", `there is no user ${name}`, {
    next: "check the name; for somebody who has yet to join: gridpost role grant --ahead, or gridpost token create --kind user --role",
  });
}

function keyHandlers(deps: IdentityDeps): Pick<AccessHandlers, "rotateKey"> {
  const { log } = deps;
  const show = async (query: Query, kid: string) => {
    const found = (await signingKeys(query)).find((key) => key.kid === kid);
    return { kid, activeFrom: toTime(found?.activeFrom ?? 0) };
  };
  const rotate = async ({
    body: { delayMs, revokeOld },
    ...context
  }: Parameters<AccessHandlers["rotateKey"]>[0]) => {
    // The private half is on disk before the log speaks of the key; one that it never speaks of does nothing.
    const { kid, jwk } = await createSigningKey(deps.keysFolder);
    const { actor } = context.principal;
    return log.once(
      callOf(context, ["identity"], kid),
      async (tx) => {
        const old = await signingKeys(tx.query);
        const activeFrom = tx.now + (revokeOld ? 0 : delayMs);
        const published = { kid, jwk, activeFrom };
        await tx.append({ type: "signing_key.published", project: null, actor, body: published });
        for (const key of revokeOld ? old : []) {
          const body = { kid: key.kid };
          await tx.append({ type: "signing_key.revoked", project: null, actor, body });
        }
        return show(tx.query, kid);
      },
      show,
    );
  };
  return { rotateKey: (call) => deps.changeKeys(() => rotate(call)) };
}

function auditHandlers({ log }: IdentityDeps): Pick<AccessHandlers, "audit"> {
  const view = ({ at, details, ...row }: AuditRow) => ({
    ...row,
    at: toTime(at),
    details: JSON.parse(details) as Record<string, unknown>,
  });
  return {
    audit: async ({ query: { after, limit, actor, type } }) => {
      const rows = await listAudit(log.query, { after, actor, type, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const next = rows.length > limit ? (page.at(-1)?.id ?? null) : null;
      return { entries: page.map(view), next };
    },
  };
}
