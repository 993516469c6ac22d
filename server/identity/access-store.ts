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
const ADMINS = "select principal from p_roles where role = 'admin' and project = '' limit 2";

/** Roles in the order of their places; of one project, or (null) all. */
export const listRoles = (
  query: Query,
  {
    project,
    after,
    limit,
  }: { readonly project: string | null; readonly after: string; readonly limit: number },
): Promise<RoleRow[]> => query<RoleRow>(ROLES, [after, limit, project ?? ""]);

/** Up to two of the users that are admin of the server. */
export const serverAdmins = async (query: Query): Promise<string[]> =>
  (await query<{ principal: string }>(ADMINS)).map(({ principal }) => principal);

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
