import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { RoleName } from "./events/identity.ts";
import { Name, Time } from "./ids.ts";
import { NextCursor, pageQuery } from "./page.ts";

/** The roles that users hold; nodes have theirs by being nodes. */
export const UserRole = RoleName.exclude(["node"]);

const Grant = z.strictObject({
  principal: z
    .string()
    .regex(/^user:[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be a user, written as user:NAME"),
  role: UserRole,
});

/** A role may wait for a user who has yet to join, but only when that is said: a name may be mistyped. */
const NewGrant = Grant.extend({ ahead: z.boolean().default(false) });

export const RoleView = z
  .object({
    principal: z.string(),
    role: RoleName,
    /** null: on the server, for every project. */
    project: Name.nullable(),
  })
  .meta({ id: "Role" });

export const AuditEntry = z
  .object({
    id: z.uuid(),
    at: Time,
    actor: z.string(),
    /** The type of the event: `role.granted`, `access.denied`, … */
    type: z.string(),
    project: Name.nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditEntry" });

const project = z.object({ project: Name });
const roles = z.object({ roles: z.array(RoleView), next: NextCursor });

export const access = {
  roles: defineEndpoint({
    method: "GET",
    path: "/v1/roles",
    summary: "List all roles, on the server and in projects",
    scope: "principal:write",
    query: z.strictObject(pageQuery),
    response: roles,
  }),
  grantRole: defineEndpoint({
    method: "POST",
    path: "/v1/roles",
    summary: "Give a user a role on the server, for every project",
    scope: "principal:write",
    body: NewGrant,
    response: RoleView,
  }),
  revokeRole: defineEndpoint({
    method: "POST",
    path: "/v1/roles/revoke",
    summary: "Take a role on the server from a user",
    scope: "principal:write",
    body: Grant,
    response: RoleView,
  }),
  projectRoles: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/roles",
    summary: "List the roles in a project",
    scope: "project:read",
    params: project,
    query: z.strictObject(pageQuery),
    response: roles,
  }),
  grantProjectRole: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/roles",
    summary: "Give a user a role in a project",
    scope: "principal:write",
    params: project,
    body: NewGrant,
    response: RoleView,
  }),
  revokeProjectRole: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/roles/revoke",
    summary: "Take a role in a project from a user",
    scope: "principal:write",
    params: project,
    body: Grant,
    response: RoleView,
  }),
  /** The next key is published at once and signs after `delayMs`, when every verifier has seen it. */
  rotateKey: defineEndpoint({
    method: "POST",
    path: "/v1/signing-keys/rotate",
    summary: "Publish the next signing key of the server",
    scope: "principal:write",
    body: z.strictObject({
      delayMs: z.int().min(0).max(86_400_000).default(600_000),
      /** The old keys are refused at once, and with them every token that they signed. */
      revokeOld: z.boolean().default(false),
    }),
    response: z.object({ kid: z.string(), activeFrom: Time }),
  }),
  audit: defineEndpoint({
    method: "GET",
    path: "/v1/audit",
    summary: "List administrative acts and denials, newest first",
    scope: "audit:read",
    query: z.strictObject({
      ...pageQuery,
      /** The id of an event: any other text would be taken for a place beyond all of them. */
      after: z.uuid("must be the next of the page before").optional(),
      actor: z.string().max(240).optional(),
      type: z.string().max(64).optional(),
    }),
    response: z.object({ entries: z.array(AuditEntry), next: NextCursor }),
  }),
} as const;
