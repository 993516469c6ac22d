import type { Dialect, Query } from "../storage/db.ts";

export type HeldState = "held" | "grace";
export type LeaseStateName = HeldState | "released" | "expired" | "superseded";

/** A lease as stored, with the time when it ends; `resources` and `refs` are JSON. */
export interface LeaseRow {
  readonly id: string;
  readonly project: string;
  readonly holder: string;
  readonly mode: "exclusive" | "shared";
  readonly state: LeaseStateName;
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

/** An open lease's resource that a request may meet. */
export interface CandidateRow extends LeaseRow {
  readonly resource: string;
  /** Until when the resource is ungrantable although the lease has ended. */
  readonly unlock: number | null;
}

const LEASE = `select l.*, e.due from p_leases l
  left join e_deadlines e on e.kind = 'lease.expire' and e.subject = l.id`;
const BY_ID = `${LEASE} where l.id = $1`;
const HELD = `${LEASE} where l.project = $1 and l.state in ('held', 'grace') and l.fence > $2
  and ($3 = '' or l.holder = $3) and ($4 = '' or l.resources like $4) order by l.fence limit $5`;
const COUNTER = "select fence from p_fences where project = $1";
const PUSH_BACK = (ids: string): string =>
  `update e_deadlines set due = $1 where kind = 'lease.expire' and subject in ${ids} returning subject as id`;

/** Open leases at a key. Another's, or one taken away by force; of a mode that may clash. */
const CANDIDATES = `select l.*, e.due, k.resource, u.due as unlock from p_lease_keys k
  join p_leases l on l.id = k.lease
  left join e_deadlines e on e.kind = 'lease.expire' and e.subject = l.id
  left join e_deadlines u on u.kind = 'lease.unlock' and u.subject = l.id
  where k.project = $1 and k.scope = $2 and (l.holder <> $3 or l.state = 'released')
  and ($4 = 'exclusive' or l.mode = 'exclusive')`;
const AT_KEY = `${CANDIDATES} and k.key = $5`;
const NEAR_PREFIX = (ancestors: string): string =>
  `${CANDIDATES} and (k.key in ${ancestors} or (k.key > $6 and k.key < $7))`;

export async function leaseById(query: Query, id: string): Promise<LeaseRow | undefined> {
  const [row] = await query<LeaseRow>(BY_ID, [id]);
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
  const kind = filter.kind === "" ? "" : `%"kind":"${filter.kind}"%`;
  return query<LeaseRow>(HELD, [
    filter.project,
    filter.afterFence,
    filter.holder,
    kind,
    filter.limit,
  ]);
}

/** The project's counter: the highest fence that it ever gave. */
export async function lastFence(query: Query, project: string): Promise<number> {
  const [row] = await query<{ fence: number }>(COUNTER, [project]);
  return row?.fence ?? 0;
}

/** Moves the end of many leases at once; returns those that still had one. */
export async function pushBack(
  { query, dialect }: { readonly query: Query; readonly dialect: Dialect },
  ids: readonly string[],
  due: number,
): Promise<string[]> {
  const rows = await query<{ id: string }>(PUSH_BACK(dialect.list("$2")), [
    due,
    JSON.stringify(ids),
  ]);
  return rows.map(({ id }) => id);
}

export interface Asker {
  readonly project: string;
  readonly holder: string;
  readonly mode: "exclusive" | "shared";
}

/** Open leases of others on exactly this key. */
export const candidatesAt = (
  query: Query,
  { project, holder, mode }: Asker,
  { scope, key }: { readonly scope: string; readonly key: string },
): Promise<CandidateRow[]> => query<CandidateRow>(AT_KEY, [project, scope, holder, mode, key]);

/** A range of keys: the prefix, everything above it and everything below it. */
export interface PrefixRange {
  readonly scope: string;
  readonly ancestors: readonly string[];
  readonly prefix: string;
  readonly after: string;
}

/** Open leases of others on file patterns whose literal prefix lies above or below this one. */
export const candidatesNear = (
  { query, dialect }: { readonly query: Query; readonly dialect: Dialect },
  { project, holder, mode }: Asker,
  { scope, ancestors, prefix, after }: PrefixRange,
): Promise<CandidateRow[]> =>
  query<CandidateRow>(NEAR_PREFIX(dialect.list("$5")), [
    project,
    scope,
    holder,
    mode,
    JSON.stringify(ancestors),
    prefix,
    after,
  ]);
