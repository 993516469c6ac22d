import type { PublicJwk } from "../../contract/events/identity.ts";
import type { Role } from "../../contract/scopes.ts";
import type { Query } from "../../storage/db.ts";
import type { Kind, RoleGrant } from "./rules.ts";

export interface JoinTokenRow {
  readonly id: string;
  readonly kind: Kind;
  readonly name: string | null;
  readonly name_pattern: string | null;
  readonly project: string | null;
  readonly uses_left: number;
  readonly ttl_ms: number | null;
  readonly created_at: number;
  readonly role: Role | null;
  readonly adds_key: number;
  readonly created_by: string;
  readonly revoked: number;
}

/** When a join token ends; null: never. */
export const endOf = ({ ttl_ms, created_at }: JoinTokenRow): number | null =>
  ttl_ms === null ? null : created_at + ttl_ms;

const one = async <R>(query: Query, text: string, values: unknown[]): Promise<R | undefined> =>
  (await query<R>(text, values))[0];

export const tokenByHash = (query: Query, hash: string): Promise<JoinTokenRow | undefined> =>
  one(query, "select * from p_join_tokens where hash = $1", [hash]);

export const tokenById = (query: Query, id: string): Promise<JoinTokenRow | undefined> =>
  one(query, "select * from p_join_tokens where id = $1", [id]);

/** Whether the server has made an admin's join token, used or not. */
export const hasServerToken = async (query: Query): Promise<boolean> =>
  (await one(query, "select id from p_join_tokens where created_by = $1 limit 1", ["server"])) !==
  undefined;

/** Newest first; `after` is the id of the last one seen. */
export const listTokens = (query: Query, after: string, limit: number): Promise<JoinTokenRow[]> =>
  query("select * from p_join_tokens where id < $1 order by id desc limit $2", [after, limit]);

export interface RegisteredKey {
  readonly principal: string;
  /** The generation that the key belongs to: a revocation takes the key away as it begins the next one. */
  readonly generation: number;
  readonly jwk: PublicJwk;
}

export async function keyByThumbprint(
  query: Query,
  thumbprint: string,
): Promise<RegisteredKey | undefined> {
  const row = await one<Omit<RegisteredKey, "jwk"> & { jwk: string }>(
    query,
    `select k.principal, p.generation, k.jwk from p_keys k join p_principals p on p.id = k.principal
     where k.thumbprint = $1`,
    [thumbprint],
  );
  return row && { ...row, jwk: JSON.parse(row.jwk) as PublicJwk };
}

/** Whether a key was taken from whoever had it. */
export const isRevokedKey = async (query: Query, thumbprint: string): Promise<boolean> =>
  (await one(query, "select 1 from p_revoked_keys where thumbprint = $1", [thumbprint])) !==
  undefined;

/** Whether a principal has joined, be it with keys that are dead now. */
export async function hasJoined(query: Query, principal: string): Promise<boolean> {
  const sql = "select id from p_principals where id = $1 and joined_at is not null";
  return (await one(query, sql, [principal])) !== undefined;
}

/** The generation counter of a principal; undefined if it neither joined nor was revoked. */
export async function generationOf(query: Query, principal: string): Promise<number | undefined> {
  const row = await one<{ generation: number }>(
    query,
    "select generation from p_principals where id = $1",
    [principal],
  );
  return row?.generation;
}

/** Whether a principal has a key now. */
export const hasKey = async (query: Query, principal: string): Promise<boolean> =>
  (await one(query, "select 1 from p_keys where principal = $1 limit 1", [principal])) !==
  undefined;

/** The agents that have a key of their own. */
export async function agentsWithKeys(query: Query): Promise<string[]> {
  const sql = "select distinct principal from p_keys where principal like 'agent:%'";
  return (await query<{ principal: string }>(sql)).map(({ principal }) => principal);
}

export async function rolesOf(query: Query, principal: string): Promise<RoleGrant[]> {
  const rows = await query<{ role: Role; project: string }>(
    "select role, project from p_roles where principal = $1",
    [principal],
  );
  return rows.map(({ role, project }) => ({ role, project: project === "" ? null : project }));
}

export interface ProjectRow {
  readonly name: string;
  readonly created_at: number;
}

export const projectByName = (query: Query, name: string): Promise<ProjectRow | undefined> =>
  one(query, "select name, created_at from p_projects where name = $1", [name]);

/** The project that has a name in this or another case: names are paths of the archive, and not every disk tells cases apart. */
export const projectNamedLike = (query: Query, name: string): Promise<ProjectRow | undefined> =>
  one(query, "select name, created_at from p_projects where lower(name) = lower($1)", [name]);

export const listProjects = (query: Query, after: string, limit: number): Promise<ProjectRow[]> =>
  query("select name, created_at from p_projects where name > $1 order by name limit $2", [
    after,
    limit,
  ]);

export interface SigningKeyRow {
  readonly kid: string;
  readonly jwk: PublicJwk;
  /** From when on it signs, in milliseconds. */
  readonly activeFrom: number;
}

export async function signingKeys(query: Query): Promise<SigningKeyRow[]> {
  const rows = await query<{ kid: string; jwk: string; active_from: number }>(
    "select kid, jwk, active_from from p_signing_keys where revoked = 0 order by active_from, kid",
  );
  return rows.map(({ kid, jwk, active_from }) => ({
    kid,
    jwk: JSON.parse(jwk) as PublicJwk,
    activeFrom: active_from,
  }));
}

/** The id that names this server for ever; undefined before its first start. */
export async function serverId(query: Query): Promise<string | undefined> {
  return (await one<{ id: string }>(query, "select id from p_server", []))?.id;
}

/** Marks a nonce as used. @returns false if it was already */
export async function useNonce(query: Query, nonce: string, due: number): Promise<boolean> {
  const rows = await query(
    "insert into e_used_nonces (nonce, due) values ($1, $2) on conflict do nothing returning nonce",
    [nonce, due],
  );
  return rows.length === 1;
}

export const forgetNonces = (query: Query, before: number): Promise<unknown> =>
  query("delete from e_used_nonces where due < $1", [before]);
