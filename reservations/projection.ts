import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { Apply, Event, Projection } from "../storage/log.ts";
import { keysOf } from "./keys.ts";
import { keepPast } from "./past.ts";

const INSERT = `insert into p_leases
  (id, project, holder, mode, state, fence, resources, refs, session, reason, thread, ttl_ms, granted_at)
  values ($1, $2, $3, $4, 'held', $5, $6, $7, $8, $9, $10, $11, $12)`;
const INSERT_KEY = `insert into p_lease_keys (lease, n, scope, key, resource, refs)
  values ($1, $2, $3, $4, $5, $6)`;
const DELETE_KEYS = "delete from p_lease_keys where lease = $1";
const COUNT_UP = `insert into p_fences (project, fence) values ($1, $2)
  on conflict (project) do update set fence = excluded.fence`;
const END = "update p_leases set state = $2, ended_at = $3 where id = $1";
const HOLD = "update p_leases set state = $2, ended_at = null where id = $1";
const SUPERSEDE = "update p_leases set state = 'superseded' where id = $1 and state = 'expired'";
const UPGRADE = "update p_leases set mode = 'exclusive', fence = $2 where id = $1";
const DOWNGRADE = "update p_leases set mode = 'shared' where id = $1";
const TRANSFER = "update p_leases set holder = $2, fence = $3, session = null where id = $1";
const DEFINE_SLOT = `insert into p_slots (project, name, capacity) values ($1, $2, $3)
  on conflict (project, name) do update set capacity = excluded.capacity`;

const DEFINE_REPOSITORY = `insert into p_repositories (project, name, ignore_case) values ($1, $2, $3)
  on conflict (project, name) do update set ignore_case = excluded.ignore_case`;

async function granted(query: Query, { project, at, body }: Event): Promise<void> {
  const lease = body as EventBody<"lease.granted">;
  const refs = lease.refs === null ? null : JSON.stringify(lease.refs);
  const texts = lease.resources.map((resource) => JSON.stringify(resource));
  await query(INSERT, [
    lease.id,
    project,
    lease.holder,
    lease.mode,
    lease.fence,
    `[${texts.join(",")}]`,
    refs,
    lease.session,
    lease.reason,
    lease.thread,
    lease.ttlMs,
    at,
  ]);
  for (const [n, resource] of lease.resources.entries()) {
    const { scope, keys } = keysOf(resource, project ?? "");
    for (const key of keys) await query(INSERT_KEY, [lease.id, n, scope, key, texts[n], refs]);
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

/** An end that is followed by a lock-delay: its keys stay until a conflicting grant, which has to find it. */
const ended =
  (state: "expired" | "released"): Apply =>
  async (query, { at, body }) => {
    const { id } = body as EventBody<"lease.expired">;
    await query(END, [id, state, at]);
  };

const holding =
  (state: "held" | "grace"): Apply =>
  async (query, { body }) => {
    const { id } = body as EventBody<"lease.revived">;
    await query(HOLD, [id, state]);
  };

async function upgraded(query: Query, { project, at, body }: Event): Promise<void> {
  const { id, fence, supersedes } = body as EventBody<"lease.upgraded">;
  await keepPast(query, id, at);
  await query(UPGRADE, [id, fence]);
  await query(COUNT_UP, [project, fence]);
  await supersede(query, supersedes);
}

async function downgraded(query: Query, { body }: Event): Promise<void> {
  await query(DOWNGRADE, [(body as EventBody<"lease.downgraded">).id]);
}

async function transferred(query: Query, { project, at, body }: Event): Promise<void> {
  const { id, to, fence, supersedes } = body as EventBody<"lease.transferred">;
  await keepPast(query, id, at);
  await query(TRANSFER, [id, to, fence]);
  await query(COUNT_UP, [project, fence]);
  await supersede(query, supersedes);
}

async function slotDefined(query: Query, { project, body }: Event): Promise<void> {
  const { name, capacity } = body as EventBody<"slot.defined">;
  await query(DEFINE_SLOT, [project, name, capacity]);
}

async function repositoryDefined(query: Query, { project, body }: Event): Promise<void> {
  const { name, ignoreCase } = body as EventBody<"repository.defined">;
  await query(DEFINE_REPOSITORY, [project, name, Number(ignoreCase)]);
}

export const reservationsProjection: Projection = {
  name: "reservations",
  tables: ["p_fences", "p_leases", "p_lease_keys", "p_lease_past", "p_slots", "p_repositories"],
  apply: {
    "lease.granted": granted,
    "lease.released": released,
    "lease.grace_started": holding("grace"),
    "lease.revived": holding("held"),
    "lease.expired": ended("expired"),
    "lease.force_released": ended("released"),
    "lease.upgraded": upgraded,
    "lease.downgraded": downgraded,
    "lease.transferred": transferred,
    "slot.defined": slotDefined,
    "repository.defined": repositoryDefined,
    // For the archive and for people; nothing is decided by it.
    "guard.bypassed": () => Promise.resolve(),
  },
};
