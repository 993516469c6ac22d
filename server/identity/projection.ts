import type { EventBody, EventType } from "../../contract/events/index.ts";
import type { Apply, Event, Projection } from "../../storage/log.ts";
import { parsePrincipal } from "./rules.ts";

type IdentityEvent =
  | "server.created"
  | "project.created"
  | "role.granted"
  | "role.revoked"
  | "token.created"
  | "token.revoked"
  | "principal.joined"
  | "principal.revoked"
  | "principal.readmitted"
  | "signing_key.published"
  | "signing_key.revoked";

/** Events are checked when they are appended; the body of a stored one has the type that its name says. */
const body = <T extends EventType>(event: Event, _type: T): EventBody<T> =>
  event.body as EventBody<T>;

/** Whoever has a join token of a revoked principal, or for it, could else come back with it to all its roles. */
const VOID_TOKENS = `update p_join_tokens set revoked = 1 where uses_left > 0 and
  (created_by = $1 or (kind = $2 and name = $3 and (kind <> 'agent' or project = $4)))`;

const REVOKE_KEYS = `insert into p_revoked_keys (thumbprint)
  select thumbprint from p_keys where principal = $1 on conflict do nothing`;

const apply: Record<IdentityEvent, Apply> = {
  "server.created": async (query, event) => {
    await query("insert into p_server (id) values ($1)", [body(event, "server.created").id]);
  },
  "project.created": async (query, event) => {
    const { name } = body(event, "project.created");
    await query("insert into p_projects (name, created_at) values ($1, $2)", [name, event.at]);
  },
  "role.granted": async (query, event) => {
    const { principal, role, project } = body(event, "role.granted");
    await query(
      "insert into p_roles (principal, project, role) values ($1, $2, $3) on conflict do nothing",
      [principal, project ?? "", role],
    );
  },
  "role.revoked": async (query, event) => {
    const { principal, role, project } = body(event, "role.revoked");
    await query("delete from p_roles where principal = $1 and project = $2 and role = $3", [
      principal,
      project ?? "",
      role,
    ]);
  },
  "token.created": async (query, event) => {
    const made = body(event, "token.created");
    await query(
      `insert into p_join_tokens (id, hash, kind, name, name_pattern, project, uses_left, ttl_ms, created_at, role,
         adds_key, created_by, revoked) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)`,
      [
        made.id,
        made.hash,
        made.kind,
        made.name,
        made.namePattern,
        made.project,
        made.uses,
        made.ttlMs,
        event.at,
        made.role,
        made.addsKey,
        event.actor,
      ],
    );
  },
  "token.revoked": async (query, event) => {
    const { id } = body(event, "token.revoked");
    await query("update p_join_tokens set revoked = 1 where id = $1", [id]);
  },
  "principal.joined": async (query, event) => {
    const { principal, token, thumbprint, jwk } = body(event, "principal.joined");
    const parts = parsePrincipal(principal);
    await query(
      `insert into p_principals (id, kind, name, project, generation, joined_at) values ($1, $2, $3, $4, 1, $5)
       on conflict (id) do update set joined_at = coalesce(p_principals.joined_at, excluded.joined_at)`,
      [principal, parts?.kind, parts?.name, parts?.project ?? null, event.at],
    );
    await query(
      "insert into p_keys (thumbprint, principal, jwk) values ($1, $2, $3) on conflict do nothing",
      [thumbprint, principal, JSON.stringify(jwk)],
    );
    await query("update p_join_tokens set uses_left = uses_left - 1 where id = $1", [token]);
  },
  "principal.revoked": async (query, event) => {
    const { principal } = body(event, "principal.revoked");
    const parts = parsePrincipal(principal);
    const named = [principal, parts?.kind, parts?.name, parts?.project ?? null];
    await query(
      `insert into p_principals (id, kind, name, project, generation, joined_at) values ($1, $2, $3, $4, 1, null)
       on conflict (id) do update set generation = p_principals.generation + 1`,
      named,
    );
    await query(REVOKE_KEYS, [principal]);
    await query("delete from p_keys where principal = $1", [principal]);
    await query(VOID_TOKENS, named);
  },
  "principal.readmitted": async (query, event) => {
    const { principal } = body(event, "principal.readmitted");
    await query("delete from p_principals where id = $1 and joined_at is null", [principal]);
  },
  "signing_key.published": async (query, event) => {
    const { kid, jwk, activeFrom } = body(event, "signing_key.published");
    await query(
      "insert into p_signing_keys (kid, jwk, active_from, revoked) values ($1, $2, $3, 0)",
      [kid, JSON.stringify(jwk), activeFrom],
    );
  },
  "signing_key.revoked": async (query, event) => {
    const { kid } = body(event, "signing_key.revoked");
    await query("update p_signing_keys set revoked = 1 where kid = $1", [kid]);
  },
};

/** The tables of principals, keys, roles, projects, join tokens and signing keys. */
export const identityProjection: Projection = {
  name: "identity",
  tables: [
    "p_server",
    "p_projects",
    "p_principals",
    "p_keys",
    "p_revoked_keys",
    "p_roles",
    "p_join_tokens",
    "p_signing_keys",
  ],
  apply,
};

/** The events after which a cached answer about a principal may be wrong. */
export const IDENTITY_EVENTS: ReadonlySet<string> = new Set(Object.keys(apply));
