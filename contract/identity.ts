import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { PublicJwk, RoleName, TokenKind } from "./events/identity.ts";
import { Name, Time } from "./ids.ts";
import { NextCursor, pageQuery } from "./page.ts";
import { SCOPES } from "./scopes.ts";

export const Project = z.object({ name: Name, createdAt: Time }).meta({ id: "Project" });

/** A join token as lists show it; the token itself is shown once, when it is made. */
export const JoinTokenView = z
  .object({
    id: z.uuid(),
    kind: TokenKind,
    name: Name.nullable(),
    namePattern: z.string().nullable(),
    project: Name.nullable(),
    usesLeft: z.int(),
    createdAt: Time,
    /** null: never. */
    expiresAt: Time.nullable(),
    revoked: z.boolean(),
  })
  .meta({ id: "JoinToken" });

export const identity = {
  /** A nonce for one assertion or join proof, good for 60 s and for one use. */
  nonce: defineEndpoint({
    method: "POST",
    path: "/v1/auth/nonce",
    summary: "Get a nonce to sign",
    scope: "public",
    idempotent: false,
    response: z.object({
      nonce: z.string(),
      expiresAt: Time,
      /** Names this server over all its addresses and restores: the `aud` of what is signed over the nonce. */
      audience: z.string(),
    }),
  }),
  /**
   * Buys a 10-minute access token (RFC 7523). The assertion is a JWT signed by the principal's key: `iss` and `sub` the
   * principal's id, `aud` the server's audience, `nonce`, `iat`, `exp`, `jti`.
   */
  token: defineEndpoint({
    method: "POST",
    path: "/v1/auth/token",
    summary: "Exchange a signed assertion for an access token",
    scope: "public",
    idempotent: false,
    body: z.strictObject({
      assertion: z.string().max(8_192),
      /** Act as this agent, which the user must own. */
      agent: z.strictObject({ project: Name, name: Name }).optional(),
    }),
    response: z.object({ token: z.string(), expiresAt: Time, principal: z.string() }),
  }),
  /** Registers a public key with a join token. `proof` is a JWT over the nonce and the token's hash, signed by that key. */
  join: defineEndpoint({
    method: "POST",
    path: "/v1/join",
    summary: "Register a key with a join token",
    scope: "public",
    idempotent: false,
    body: z.strictObject({
      token: z.string().max(1_024),
      /** Needed when the token is not bound to one name. */
      name: Name.optional(),
      jwk: PublicJwk,
      proof: z.string().max(8_192),
    }),
    response: z.object({
      principal: z.string(),
      /** A JWT over the nonce and the key's thumbprint, signed by the server, whose fingerprint the join token carries. */
      receipt: z.string(),
      serverJwk: PublicJwk,
    }),
  }),
  jwks: defineEndpoint({
    method: "GET",
    path: "/.well-known/jwks.json",
    summary: "The server's public signing keys",
    scope: "public",
    response: z.object({
      keys: z.array(
        PublicJwk.extend({ kid: z.string(), alg: z.literal("EdDSA"), use: z.literal("sig") }),
      ),
    }),
  }),
  whoami: defineEndpoint({
    method: "GET",
    path: "/v1/whoami",
    summary: "Who the token says you are, and what you may do",
    scope: "self",
    query: z.strictObject({ project: Name.optional() }),
    response: z.object({
      principal: z.string(),
      kind: TokenKind,
      name: Name,
      project: Name.nullable(),
      act: z.string().nullable(),
      scopes: z.array(z.enum(SCOPES)),
      /** The caller's own agents in the asked project (or everywhere); for who acts as an agent, that one. */
      agents: z.array(z.object({ project: Name, name: Name })),
      server: z.object({ version: z.string(), protocol: z.int() }),
    }),
  }),
  /** For others: scope `token:write`. Without it a user may make one for itself and for agents that it owns or would own. */
  createToken: defineEndpoint({
    method: "POST",
    path: "/v1/tokens",
    summary: "Make a join token",
    scope: "self",
    idempotent: false,
    body: z.strictObject({
      kind: TokenKind,
      name: Name.optional(),
      namePattern: z.string().max(128).optional(),
      project: Name.optional(),
      uses: z.int().min(1).max(10_000).default(1),
      ttlMs: z.int().min(1_000).max(86_400_000).optional(),
      role: RoleName.optional(),
    }),
    response: z.object({ id: z.uuid(), token: z.string(), expiresAt: Time.nullable() }),
  }),
  tokens: defineEndpoint({
    method: "GET",
    path: "/v1/tokens",
    summary: "List join tokens",
    scope: "token:write",
    query: z.strictObject(pageQuery),
    response: z.object({ tokens: z.array(JoinTokenView), next: NextCursor }),
  }),
  revokeToken: defineEndpoint({
    method: "POST",
    path: "/v1/tokens/:id/revoke",
    summary: "Make a join token useless",
    scope: "token:write",
    params: z.object({ id: z.uuid() }),
    response: z.object({ id: z.uuid(), revoked: z.literal(true) }),
  }),
  revokePrincipal: defineEndpoint({
    method: "POST",
    path: "/v1/principals/:principal/revoke",
    summary: "Kill all keys and tokens of a principal at once",
    scope: "principal:write",
    params: z.object({ principal: z.string().max(160) }),
    body: z.strictObject({ reason: z.string().max(500).optional() }),
    response: z.object({ principal: z.string(), revoked: z.literal(true) }),
  }),
  /** For users of an outside issuer, whom no join token can let in again. */
  readmitPrincipal: defineEndpoint({
    method: "POST",
    path: "/v1/principals/:principal/readmit",
    summary: "Take the tokens of an outside issuer for a revoked user again",
    scope: "principal:write",
    params: z.object({ principal: z.string().max(160) }),
    body: z.strictObject({ reason: z.string().max(500).optional() }),
    response: z.object({ principal: z.string(), readmitted: z.literal(true) }),
  }),
  createProject: defineEndpoint({
    method: "POST",
    path: "/v1/projects",
    summary: "Make a project",
    scope: "project:write",
    body: z.strictObject({ name: Name }),
    response: Project,
  }),
  projects: defineEndpoint({
    method: "GET",
    path: "/v1/projects",
    summary: "List the projects that you may read",
    scope: "self",
    query: z.strictObject(pageQuery),
    response: z.object({ projects: z.array(Project), next: NextCursor }),
  }),
  project: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project",
    summary: "Show a project",
    scope: "project:read",
    params: z.object({ project: Name }),
    response: Project.extend({
      agents: z.int(),
      threads: z.int(),
      sweeps: z.int(),
      leases: z.int(),
    }),
  }),
} as const;
