import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { Event, Projection } from "../storage/log.ts";
import { keysOf } from "./keys.ts";

const INSERT = `insert into p_leases
  (id, project, holder, mode, state, fence, resources, refs, session, reason, thread, ttl_ms, granted_at)
  values ($1, $2, $3, $4, 'held', $5, $6, $7, $8, $9, $10, $11, $12)`;
const INSERT_KEY = `insert into p_lease_keys (lease, n, project, scope, key, resource)
  values ($1, $2, $3, $4, $5, $6)`;
const DELETE_KEYS = "delete from p_lease_keys where lease = $1";
const COUNT_UP = `insert into p_fences (project, fence) values ($1, $2)
  on conflict (project) do update set fence = excluded.fence`;
const END = "update p_leases set state = $2, ended_at = $3 where id = $1";
const SUPERSEDE = "update p_leases set state = 'superseded' where id = $1 and state = 'expired'";

async function granted(query: Query, { project, at, body }: Event): Promise<void> {
  const lease = body as EventBody<"lease.granted">;
  await query(INSERT, [
    lease.id,
    project,
    lease.holder,
    lease.mode,
    lease.fence,
    JSON.stringify(lease.resources),
    lease.refs === null ? null : JSON.stringify(lease.refs),
    lease.session,
    lease.reason,
    lease.thread,
    lease.ttlMs,
    at,
  ]);
  for (const [n, resource] of lease.resources.entries()) {
    const { scope, keys } = keysOf(resource);
    for (const key of keys)
      await query(INSERT_KEY, [lease.id, n, project, scope, key, JSON.stringify(resource)]);
  }
  await query(COUNT_UP, [project, lease.fence]);
  await supersede(query, lease.supersedes);
}

async function supersede(query: Query, leases: readonly string[]): Promise<void> {
  for (const id of leases) {
    await query(SUPERSEDE, [id]);
    await query(DELETE_KEYS, [id]);
  }
}

async function released(query: Query, { at, body }: Event): Promise<void> {
  const { id } = body as EventBody<"lease.released">;
  await query(END, [id, "released", at]);
  await query(DELETE_KEYS, [id]);
}

/** Its keys stay until a conflicting grant: that grant has to find and supersede it. */
async function expired(query: Query, { at, body }: Event): Promise<void> {
  const { id } = body as EventBody<"lease.expired">;
  await query(END, [id, "expired", at]);
}

export const reservationsProjection: Projection = {
  name: "reservations",
  tables: ["p_fences", "p_leases", "p_lease_keys"],
  apply: {
    "lease.granted": granted,
    "lease.released": released,
    "lease.expired": expired,
  },
};
