import type { Dialect, Query } from "../storage/db.ts";
import type { LeaseRow } from "./store.ts";

const KEEP = `insert into p_lease_past (lease, fence, project, holder, mode, since, until)
  select l.id, l.fence, l.project, l.holder, l.mode,
    coalesce((select max(p.until) from p_lease_past p where p.lease = l.id), l.granted_at), $2
  from p_leases l where l.id = $1`;
const BELOW = `select l.id, l.project, p.holder, p.mode, 'superseded' as state, p.fence, l.resources, l.refs,
    null as session, l.reason, l.thread, l.ttl_ms, p.since as granted_at, p.until as ended_at, null as due
  from p_lease_past p join p_leases l on l.id = p.lease
  where p.project = $1 and p.fence < $2 order by p.fence desc limit $3`;
const BEFORE = "select mode from p_lease_past where lease = $1 order by fence desc limit 1";
const SINCE = (ids: string): string =>
  `select lease, max(until) as since from p_lease_past where lease in ${ids} group by lease`;

/** Remembers who held a lease under the fence that an upgrade or transfer replaces now. */
export async function keepPast(query: Query, lease: string, now: number): Promise<void> {
  await query(KEEP, [lease, now]);
}

/** Whether a lease was shared under the fence before its present one. */
export async function wasShared(query: Query, lease: string): Promise<boolean> {
  const [row] = await query<{ mode: string }>(BEFORE, [lease]);
  return row?.mode === "shared";
}

/** What was held under fences that were replaced, as leases that ended then; newest first. */
export const pastBelow = (
  query: Query,
  of: { readonly project: string; readonly fence: number; readonly limit: number },
): Promise<LeaseRow[]> => query<LeaseRow>(BELOW, [of.project, of.fence, of.limit]);

/** Leases with the time since when they are held under their present fence. */
export async function sincePresentFence(
  query: Query,
  dialect: Dialect,
  rows: readonly LeaseRow[],
): Promise<LeaseRow[]> {
  const ids = JSON.stringify(rows.map(({ id }) => id));
  const found = await query<{ lease: string; since: number }>(SINCE(dialect.list("$1")), [ids]);
  const since = new Map(found.map((one) => [one.lease, one.since]));
  return rows.map((row) => ({ ...row, granted_at: since.get(row.id) ?? row.granted_at }));
}
