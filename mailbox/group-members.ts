import { ProblemError } from "../contract/problem.ts";
import { didYouMean } from "../contract/suggest.ts";
import type { Query } from "../storage/db.ts";
import { fold } from "./names.ts";
import { meansEverybody, TO_EVERYBODY } from "./recipients.ts";

const GROUP =
  "select project, folded, name, owner, created_at from p_groups where project = $1 and folded = $2";
const MEMBERS =
  "select agent from p_group_members where project = $1 and folded = $2 order by agent";
const NAMES = "select name from p_groups where project = $1 limit 2000";

export interface GroupRow {
  readonly project: string;
  readonly folded: string;
  readonly name: string;
  readonly owner: string;
  readonly created_at: number;
}

/** A group with its members by name. @throws ProblemError NOT_FOUND with a suggestion */
export async function expandGroup(
  query: Query,
  project: string,
  name: string,
): Promise<GroupRow & { readonly members: string[] }> {
  const [group] = await query<GroupRow>(GROUP, [project, fold(name)]);
  if (group === undefined) throw await unknownGroup(query, project, name);
  return { ...group, members: await membersOf(query, group) };
}

export async function membersOf(
  query: Query,
  { project, folded }: Pick<GroupRow, "project" | "folded">,
): Promise<string[]> {
  const rows = await query<{ agent: string }>(MEMBERS, [project, folded]);
  return rows.map(({ agent }) => agent);
}

async function unknownGroup(query: Query, project: string, name: string): Promise<ProblemError> {
  const known = (await query<{ name: string }>(NAMES, [project])).map((group) => group.name);
  const message = `no group @${name} in project ${project}${didYouMean(name, known)}`;
  return new ProblemError("NOT_FOUND", message, {
    details: [{ group: name }],
    next: meansEverybody(name) ? TO_EVERYBODY : "list the groups: gridpost group ls",
  });
}
