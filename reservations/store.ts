import type { LeaseState } from "../contract/reservations.ts";
import type { LeaseMode, Resource } from "../contract/resource.ts";
import type { Dialect, Query } from "../storage/db.ts";
import type { Demand } from "./demand.ts";
import { filesOf, slotsOf } from "./keys.ts";
import { SESSION_ENDS_MS } from "./settings.ts";

/** What reads the store: in a transaction its query, else the read-only one. */
export interface Reader {
  readonly query: Query;
  readonly dialect: Dialect;
}

/** A lease as stored, with the time when it ends; `resources` and `refs` are JSON. */
export interface LeaseRow {
  readonly id: string;
  readonly project: string;
  readonly holder: string;
  readonly mode: LeaseMode;
  readonly state: LeaseState;
  readonly fence: number;
  readonly resources: string;
  readonly refs: string | null;
  readonly session: string | null;
  readonly reason: string | null;
  readonly thread: string | null;
  readonly ttl_ms: number;
  readonly granted_at: number;
  readonly ended_at: number | null;
  readonly due: number | null;
}

/** What a lease covers. */
export const resourcesOf = ({ resources }: Pick<LeaseRow, "resources">): Resource[] =>
  JSON.parse(resources) as Resource[];

/** A resource of an open lease that a request may meet. */
export interface HitRow {
  readonly key: string;
  readonly lease: string;
  readonly n: number;
  readonly state: LeaseState;
  /** As JSON. */
  readonly resource: string;
  readonly refs: string | null;
}

/** A lease that has not been superseded. */
export interface OpenRow extends LeaseRow {
  /** Until when the resource is ungrantable although the lease has ended. */
  readonly unlock: number | null;
}

const DUE = `case when l.state in ('held', 'grace') then coalesce(e.due, s.beat_at + ${SESSION_ENDS_MS}) end as due`;
const ENDS = `left join e_deadlines e on e.kind = 'lease.expire' and e.subject = l.id
  left join e_lease_sessions s on s.id = l.session`;
const LEASE = `select l.*, ${DUE} from p_leases l ${ENDS}`;
const BY_ID = `${LEASE} where l.id = $1`;
const CORE = `select id, project, holder, state, fence, session, resources,
    exists (select 1 from e_lease_tickets where state = 'waiting') as queued
  from p_leases where id = $1`;
const HELD = `${LEASE} where l.project = $1 and l.state in ('held', 'grace') and l.fence > $2
  and ($3 = '' or l.holder = $3) and ($4 = '' or l.resources like $4) order by l.fence limit $5`;
const HISTORY = `${LEASE} where l.project = $1 and l.fence < $2 order by l.fence desc limit $3`;
const STILL_HELD = (ids: string): string =>
  `select id from p_leases where id in ${ids} and state in ('held', 'grace')`;
const OF_SESSION = `select id, state from p_leases where session = $1 and state in ('held', 'grace')`;
const STANDING = `select coalesce((select fence from p_fences where project = $1), 0) as fence,
  exists (select 1 from e_lease_tickets where project = $1 and state = 'waiting') as queued,
  $2 = '' or exists (select 1 from p_lease_keys where scope = $2 and key = $3) as near`;
const PUSH_BACK = `update e_deadlines set due = $1 where kind = 'lease.expire' and subject = $2
  returning subject`;

/** Open leases that a key leads to, with the end of their lock-delay. */
const OPEN = `select l.*, ${DUE}, k.resource, u.due as unlock from p_lease_keys k
  join p_leases l on l.id = k.lease ${ENDS}
  left join e_deadlines u on u.kind = 'lease.unlock' and u.subject = l.id
  where k.scope = $1`;
const OPEN_BY_IDS = (
  ids: string,
): string => `select l.*, ${DUE}, u.due as unlock from p_leases l ${ENDS}
  left join e_deadlines u on u.kind = 'lease.unlock' and u.subject = l.id where l.id in ${ids}`;
/** Leases of others, or taken away by force, of a mode that may clash. Narrow, because most of them do not meet. */
const HITS = `select k.key, k.lease, k.n, k.resource, k.refs, l.state
  from p_lease_keys k join p_leases l on l.id = k.lease
  where k.scope = $1 and ($2 = '' or k.refs is null or replace(k.refs, $2, '') <> k.refs)
  and (l.holder <> $3 or l.state = 'released') and ($4 = 'exclusive' or l.mode = 'exclusive')`;
// Two statements: with both conditions in one, SQLite reads all keys of the scope.
const AT_KEY = `${HITS} and k.key = $5`;
const AT_KEYS = (keys: string): string => `${HITS} and k.key in ${keys}`;
const BETWEEN = `${HITS} and (k.key, k.lease, k.n) > ($5, $6, $7) and k.key < $8
  order by k.key, k.lease, k.n limit $9`;
const OF_SLOT = `${OPEN} and k.key = $2 order by l.fence`;
const EXCLUSIVE = `${OPEN} and l.holder <> $2 and l.mode = 'exclusive' and l.state in ('held', 'grace')
  order by l.fence, k.n`;
// A cross join, because SQLite would else begin with all that is held in the project, or by the holder.
const SAME_SHARED = `select l.*, ${DUE} from p_lease_keys k cross join p_leases l ${ENDS}
  where l.id = k.lease and l.project = $1 and k.scope = $2 and k.key = $3 and l.holder = $4 and l.mode = 'shared'
  and l.state in ('held', 'grace') and l.resources = $5 and coalesce(l.refs, '') = $6
  order by l.fence`;
const CAPACITY = "select capacity from p_slots where project = $1 and name = $2";

export async function leaseById(query: Query, id: string): Promise<LeaseRow | undefined> {
  const [row] = await query<LeaseRow>(BY_ID, [id]);
  return row;
}

/** What ending a lease, or judging work under it, needs to know; read for every result that comes in. */
export interface LeaseCore extends Pick<
  LeaseRow,
  "id" | "project" | "holder" | "state" | "fence" | "session" | "resources"
> {
  /** 0: nobody waits for a lease. Left out where it was not asked. */
  readonly queued?: number;
}

export async function leaseCore(query: Query, id: string): Promise<LeaseCore | undefined> {
  const [row] = await query<LeaseCore>(CORE, [id]);
  return row;
}

export interface HeldFilter {
  readonly project: string;
  /** 0 for the first page. */
  readonly afterFence: number;
  /** A principal, or `""` for all. */
  readonly holder: string;
  /** A kind of resource, or `""` for all. */
  readonly kind: string;
  readonly limit: number;
}

export function heldLeases(query: Query, filter: HeldFilter): Promise<LeaseRow[]> {
  const { project, afterFence, holder, limit } = filter;
  const kind = filter.kind === "" ? "" : `%"kind":"${filter.kind}"%`;
  return query<LeaseRow>(HELD, [project, afterFence, holder, kind, limit]);
}

/** Leases in every state with a fence below this one, newest first. */
export const leasesBelow = (
  query: Query,
  {
    project,
    fence,
    limit,
  }: { readonly project: string; readonly fence: number; readonly limit: number },
): Promise<LeaseRow[]> => query<LeaseRow>(HISTORY, [project, fence, limit]);

export const leasesOfSession = (
  query: Query,
  session: string,
): Promise<{ id: string; state: LeaseState }[]> => query(OF_SESSION, [session]);

/** How things stand in a project before a grant. */
export interface Standing {
  /** The highest fence that it ever gave. */
  readonly fence: number;
  /** Whether anybody waits for a lease. */
  readonly queued: boolean;
  /** Whether there is an open lease at the place, or none was given. */
  readonly near: boolean;
}

export async function standing(query: Query, project: string, place?: Place): Promise<Standing> {
  const { scope, key } = place ?? { scope: "", key: "" };
  const [row] = await query<Record<keyof Standing, number>>(STANDING, [project, scope, key]);
  return { fence: row?.fence ?? 0, queued: Boolean(row?.queued), near: Boolean(row?.near) };
}

/** Which of the leases are held. */
export async function heldOf(
  { query, dialect }: Reader,
  ids: readonly string[],
): Promise<string[]> {
  const rows = await query<{ id: string }>(STILL_HELD(dialect.list("$1")), [JSON.stringify(ids)]);
  return rows.map(({ id }) => id);
}

/** Moves the end of a lease; false if it had none any more. */
export async function pushBack(query: Query, lease: string, due: number): Promise<boolean> {
  const moved = await query(PUSH_BACK, [due, lease]);
  return moved.length === 1;
}

/** Where in the index to look. */
export interface Place {
  readonly scope: string;
  readonly key: string;
}

/** Open leases of others on exactly these keys. */
export function hitsAt(
  { query, dialect }: Reader,
  demand: Demand,
  { scope, keys }: { readonly scope: string; readonly keys: ReadonlySet<string> },
): Promise<HitRow[]> {
  const all = [...keys];
  const [text, last] =
    all.length === 1 ? [AT_KEY, all[0]] : [AT_KEYS(dialect.list("$5")), JSON.stringify(all)];
  return query<HitRow>(text, [...nearby(demand, scope), last]);
}

/** A part of the index, in its order. */
export interface Stretch {
  readonly scope: string;
  /** Not included. */
  readonly after: Pick<HitRow, "key" | "lease" | "n">;
  /** Not included. */
  readonly end: string;
  readonly limit: number;
}

/** The first open leases of others in a stretch of keys. */
export const hitsBetween = (
  query: Query,
  demand: Demand,
  { scope, after: { key, lease, n }, end, limit }: Stretch,
): Promise<HitRow[]> =>
  query<HitRow>(BETWEEN, [...nearby(demand, scope), key, lease, n, end, limit]);

/** The first parameters of `HITS`. One ref is looked for as text, which may say "maybe" too often; several by the caller. */
const nearby = ({ refs, holder, mode }: Demand, scope: string): unknown[] => [
  scope,
  refs?.length === 1 ? JSON.stringify(refs[0]) : "",
  holder,
  mode,
];

/** Leases with the end of their lock-delay, by id. */
export async function openLeases(
  { query, dialect }: Reader,
  ids: Iterable<string>,
): Promise<Map<string, OpenRow>> {
  const text = OPEN_BY_IDS(dialect.list("$1"));
  const rows = await query<OpenRow>(text, [JSON.stringify([...ids])]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Open leases of anybody on one semaphore, oldest first. */
export const leasesOfSlot = (query: Query, project: string, name: string): Promise<OpenRow[]> =>
  query<OpenRow>(OF_SLOT, [slotsOf(project), name]);

export async function slotCapacity(query: Query, project: string, name: string): Promise<number> {
  const [row] = await query<{ capacity: number }>(CAPACITY, [project, name]);
  return row?.capacity ?? 1;
}

/** The holder's own shared leases on exactly the demanded resources, found at `place`; oldest first. */
export const ownShared = (
  query: Query,
  { project, holder, resources, refs }: Demand,
  { scope, key }: Place,
): Promise<LeaseRow[]> =>
  query<LeaseRow>(SAME_SHARED, [
    project,
    scope,
    key,
    holder,
    JSON.stringify(resources),
    refs === null ? "" : JSON.stringify(refs),
  ]);

/** Exclusive leases of others on files of a repository, at least one row for each of their patterns. */
export const exclusiveOf = (
  query: Query,
  of: { readonly project: string; readonly repo: string; readonly principal: string },
): Promise<(LeaseRow & Pick<HitRow, "resource">)[]> =>
  query(EXCLUSIVE, [filesOf(of.project, of.repo), of.principal]);
