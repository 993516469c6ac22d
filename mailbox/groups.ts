import type { z } from "zod";
import type { Handlers, Principal } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import { MAX_RECIPIENTS } from "../contract/mail/text.ts";
import type { Group as GroupView } from "../contract/mail/contacts.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import { agentOwner, unknownAgents } from "./agents.ts";
import { expandGroup, type GroupRow, membersOf } from "./group-members.ts";
import { fold } from "./names.ts";
import { meansEverybody, unique } from "./recipients.ts";

const PAGE = `select project, folded, name, owner, created_at from p_groups
  where project = $1 and folded > $2 order by folded limit $3`;
const TAKEN = "select 1 from p_groups where project = $1 and folded = $2";
type GroupHandlers = Pick<
  Handlers<typeof mailbox>,
  "groups" | "group" | "createGroup" | "changeGroup"
>;
type View = z.input<typeof GroupView>;

/** The handlers about groups. */
export function groupHandlers(log: EventLog): GroupHandlers {
  return {
    groups: async ({ params: { project }, query: { after, limit } }) => {
      const rows = await log.query<GroupRow>(PAGE, [project, fold(after ?? ""), limit + 1]);
      const page = rows.slice(0, limit);
      const groups: View[] = [];
      for (const row of page) groups.push(view(row, await membersOf(log.query, row)));
      return { groups, next: rows.length > limit ? (page.at(-1)?.folded ?? null) : null };
    },
    group: ({ params: { project, group } }) => show(log.query, project, group),
    createGroup: (call) => {
      const { params, body, principal } = call;
      const { project } = params;
      return log.once(
        callOf(call, [`mail:${project}`], body.name),
        async (tx, name) => {
          await refuseName(tx.query, project, name);
          const members = await resolve(tx.query, project, body.members);
          const owner = principal.act ?? principal.id;
          await tx.append({
            type: "group.created",
            project,
            actor: principal.actor,
            body: { name, owner, members },
          });
          return show(tx.query, project, name);
        },
        (query, name) => show(query, project, name),
      );
    },
    changeGroup: (call) => {
      const { params, body, principal } = call;
      const { project, group: name } = params;
      return log.once(
        callOf(call, [`mail:${project}`], name),
        async (tx) => {
          const group = await expandGroup(tx.query, project, name);
          refuseStranger(group, principal);
          const change = await changeOf(tx.query, group, body);
          if (change.added.length + change.removed.length > 0) {
            const { actor } = principal;
            await tx.append({ type: "group.changed", project, actor, body: change });
          }
          return show(tx.query, project, name);
        },
        (query) => show(query, project, name),
      );
    },
  };
}

async function changeOf(
  query: Query,
  group: GroupRow & { readonly members: readonly string[] },
  { add, remove }: { readonly add: readonly string[]; readonly remove: readonly string[] },
): Promise<{ name: string; added: string[]; removed: string[] }> {
  const members = new Map(group.members.map((member) => [fold(member), member]));
  const wanted = await resolve(query, group.project, add);
  const added = wanted.filter((member) => !members.has(fold(member)));
  const gone = unique(remove).map((member) => members.get(fold(member)));
  const removed = gone.filter((member) => member !== undefined && !wanted.includes(member));
  refuseTooMany(members.size + added.length - removed.length);
  return { name: group.name, added, removed: removed as string[] };
}

const show = async (query: Query, project: string, name: string): Promise<View> => {
  const group = await expandGroup(query, project, name);
  return view(group, group.members);
};

const view = ({ name, owner, created_at }: GroupRow, members: string[]): View => ({
  name,
  owner,
  members,
  createdAt: toTime(created_at),
});

async function refuseName(query: Query, project: string, name: string): Promise<void> {
  if (meansEverybody(name)) {
    throw new ProblemError("BAD_REQUEST", `@${name} would mean everybody`, {
      next: "choose another name",
    });
  }
  if ((await query(TAKEN, [project, fold(name)])).length === 0) return;
  throw new ProblemError("NAME_TAKEN", `the group @${name} exists`, {
    details: [{ group: name }],
    next: `change its members: gridpost group add ${name} AGENT`,
  });
}

/** Agents by their registered names. @throws ProblemError AGENT_NOT_FOUND */
async function resolve(query: Query, project: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const missing: string[] = [];
  for (const name of unique(names)) {
    const agent = await agentOwner(query, project, name);
    if (agent === null) missing.push(name);
    else found.push(agent.name);
  }
  if (missing.length > 0) throw await unknownAgents(query, project, missing);
  return found;
}

function refuseStranger({ name, owner }: GroupRow, { id, act }: Principal): void {
  if (owner === id || owner === act) return;
  throw new ProblemError("FORBIDDEN", `the group @${name} belongs to ${owner}`, {
    next: `ask ${owner}, or make a group of your own`,
  });
}

function refuseTooMany(count: number): void {
  if (count <= MAX_RECIPIENTS) return;
  throw new ProblemError(
    "BAD_REQUEST",
    `a group has at most ${MAX_RECIPIENTS} members, not ${count}`,
    { next: "make several groups" },
  );
}
