import type { Role } from "../../contract/scopes.ts";
import type { Query } from "../../storage/db.ts";

export interface RoleRow {
  readonly principal: string;
  readonly role: Role;
  /** `''`: on the server. */
  readonly project: string;
  /** The row's place in a list. */
  readonly place: string;
}

const PLACE = "project || '/' || principal || '/' || role";
const ROLES = `select principal, role, project, ${PLACE} as place from p_roles
  where ${PLACE} > $1 and ($3 = '' or project = $3) order by place limit $2`;
const ADMINS = `select principal,
    case when exists (select 1 from p_keys k where k.principal = r.principal) then 1 else 0 end as has_key,
    case when exists (select 1 from p_principals p where p.id = r.principal) then 1 else 0 end as is_known
  from p_roles r where role = 'admin' and project = ''`;

/** Roles in the order of their places; of one project, or (null) all. */
export const listRoles = (
  query: Query,
  {
    project,
    after,
    limit,
  }: { readonly project: string | null; readonly after: string; readonly limit: number },
): Promise<RoleRow[]> => query<RoleRow>(ROLES, [after, limit, project ?? ""]);

export interface AdminRow {
  readonly principal: string;
  /** 1: it can prove itself. */
  readonly has_key: number;
  /** 1: it has joined or was revoked, as nobody was who comes from an outside issuer and may still do so. */
  readonly is_known: number;
}

/** Who has the role of an admin of the server, be it ahead of joining or with void keys. */
export const serverAdmins = (query: Query): Promise<AdminRow[]> => query<AdminRow>(ADMINS);

export interface AuditRow {
  readonly id: string;
  readonly at: number;
  readonly actor: string;
  readonly type: string;
  readonly project: string | null;
  readonly details: string;
}

export interface AuditPage {
  readonly after: string | undefined;
  readonly limit: number;
  readonly actor: string | undefined;
  readonly type: string | undefined;
}

/** Sorts after every id. */
const END = "~";

/** Newest first, from before the id `after` on. */
export function listAudit(
  query: Query,
  { after = END, limit, actor, type }: AuditPage,
): Promise<AuditRow[]> {
  const values: unknown[] = [after, limit];
  const filters = Object.entries({ actor, type }).flatMap(([column, value]) =>
    value === undefined ? [] : [`and ${column} = $${values.push(value)}`],
  );
  return query<AuditRow>(
    `select id, at, actor, type, project, details from p_audit
     where id < $1 ${filters.join(" ")} order by id desc limit $2`,
    values,
  );
}
