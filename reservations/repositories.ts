import type { Query } from "../storage/db.ts";
import type { Demand } from "./demand.ts";

const IGNORING_CASE = "select name from p_repositories where project = $1 and ignore_case = 1";

/** Whether a repository ignores case now. */
export async function ignoresCase(query: Query, project: string, repo: string): Promise<boolean> {
  const rows = await query<{ name: string }>(`${IGNORING_CASE} and name = $2`, [project, repo]);
  return rows.length > 0;
}

/** The demand with the files marked that are of repositories which ignore case; read in the transaction that judges it. */
export async function inTheirCase<D extends Demand>(query: Query, demand: D): Promise<D> {
  if (demand.resources.every(({ kind }) => kind !== "file")) return demand;
  const rows = await query<{ name: string }>(IGNORING_CASE, [demand.project]);
  if (rows.length === 0) return demand;
  const names = new Set(rows.map(({ name }) => name));
  const resources = demand.resources.map((one) =>
    one.kind === "file" && names.has(one.repo) ? { ...one, ignoreCase: true as const } : one,
  );
  return { ...demand, resources };
}
