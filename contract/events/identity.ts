import { z } from "zod";
import { Name, Sha256 } from "../ids.ts";
import { ROLES, type Role } from "../scopes.ts";

export const RoleName = z.enum(Object.keys(ROLES) as [Role, ...Role[]]);
export const TokenKind = z.enum(["user", "agent", "node"]);

/** A public Ed25519 key as JWK (RFC 8037). */
export const PublicJwk = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string().min(43).max(43),
});
export type PublicJwk = z.infer<typeof PublicJwk>;

/** Bodies of the identity events, by type; version 1 of each. Secrets appear as hashes only. */
export const identityEvents = {
  /** The first event of a log: `id` names the server for ever, over restores and addresses. */
  "server.created": z.object({ id: z.uuid() }),
  "project.created": z.object({ name: Name }),
  "role.granted": z.object({
    principal: z.string(),
    role: RoleName,
    /** null: on the server, for every project. */
    project: Name.nullable(),
  }),
  "role.revoked": z.object({ principal: z.string(), role: RoleName, project: Name.nullable() }),
  "token.created": z.object({
    id: z.uuid(),
    hash: Sha256,
    kind: TokenKind,
    name: Name.nullable(),
    namePattern: z.string().nullable(),
    /** The project that a new agent belongs to. */
    project: Name.nullable(),
    uses: z.int().min(1),
    /** null: no end (the first admin token). */
    ttlMs: z.int().nullable(),
    role: RoleName.nullable(),
    /** The named principal exists: the token adds a key to it. Any other token makes a new principal only. */
    addsKey: z.boolean(),
  }),
  "token.revoked": z.object({ id: z.uuid() }),
  /** A key was registered with a join token; the principal is new unless the token was made for it. */
  "principal.joined": z.object({
    principal: z.string(),
    token: z.uuid(),
    thumbprint: z.string(),
    jwk: PublicJwk,
  }),
  /** All tokens and keys of the principal are dead: its generation counter rises. */
  "principal.revoked": z.object({ principal: z.string(), reason: z.string().nullable() }),
  /** A revoked user of an outside issuer counts as never revoked: the issuer speaks for it again. */
  "principal.readmitted": z.object({ principal: z.string(), reason: z.string().nullable() }),
  /** The server's signing key was published (public half); it signs from `activeFrom` (ms) on. */
  "signing_key.published": z.object({ kid: z.string(), jwk: PublicJwk, activeFrom: z.int() }),
  /** What this key has signed is refused from now on. */
  "signing_key.revoked": z.object({ kid: z.string() }),
  /** A principal was refused what its scopes do not allow; at most ten of these a minute for each principal. */
  "access.denied": z.object({
    principal: z.string(),
    /** `POST /v1/tokens`. */
    endpoint: z.string(),
    message: z.string(),
  }),
  /** The denials of a principal beyond the first ten of a minute. */
  "access.denials_counted": z.object({ principal: z.string(), count: z.int() }),
} as const;
