/**
 * Every scope. An endpoint declares exactly one of them, or `public` (no token), or `self` (any valid token: the handler
 * answers about the caller only).
 */
export const SCOPES = [
  "agent:write",
  "mail:read",
  "mail:send",
  "contact:approve",
  "lease:read",
  "lease:write",
  "lease:force",
  "sweep:read",
  "sweep:write",
  "run:work",
  "node:self",
  "node:read",
  "node:admin",
  "project:read",
  "project:write",
  "token:write",
  "principal:write",
  "archive:read",
  "journal:read",
  "audit:read",
  "metrics:read",
] as const;

export type Scope = (typeof SCOPES)[number];

const viewer: readonly Scope[] = [
  "project:read",
  "mail:read",
  "lease:read",
  "sweep:read",
  "node:read",
  "archive:read",
];
const member: readonly Scope[] = [
  ...viewer,
  "agent:write",
  "mail:send",
  "contact:approve",
  "lease:write",
  "sweep:write",
  "run:work",
];
const operator: readonly Scope[] = [
  ...member,
  "lease:force",
  "node:admin",
  "token:write",
  "metrics:read",
];

/** Named sets of scopes. A role is held on the server (all projects) or on one project. */
export const ROLES = {
  admin: SCOPES.filter((scope) => scope !== "node:self"),
  operator,
  member,
  viewer,
  node: ["node:self"],
} as const satisfies Record<string, readonly Scope[]>;

export type Role = keyof typeof ROLES;

/** What an agent may do, by its own key or when a user acts as it: no token, key, role, approval or force verbs. */
export const AGENT_SCOPES: readonly Scope[] = [
  "project:read",
  "mail:read",
  "mail:send",
  "lease:read",
  "lease:write",
  "sweep:read",
  "sweep:write",
  "run:work",
  "node:read",
];

/** What an agent may do beside that by its own key, never when a user acts as it: it decides itself who may write to it. */
export const OWN_KEY_SCOPES: readonly Scope[] = ["contact:approve"];
