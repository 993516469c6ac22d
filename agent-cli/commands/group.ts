import type { Answer } from "../api.ts";
import { given } from "../arguments.ts";
import { change, type Define, examples, group, leaf, list } from "../command.ts";
import { at, record, table, type View } from "../view.ts";

type Group = Answer<"GET /v1/projects/:project/groups/:group">;

const groupView = (one: Group): View =>
  record([
    ["name", one.name],
    ["owner", one.owner],
    ["members", one.members.join(", ")],
    ["created", at(one.createdAt)],
  ]);

/** `gridpost group` */
export const defineGroup: Define = (program, cli) => {
  const groups = group(program, "group", "Groups of agents, to which mail goes as @name");

  list(groups, "ls", "List groups by name").action(async ({ after, limit, ...common }) => {
    const context = cli.context(common);
    const api = await context.caller();
    const page = await api("GET /v1/projects/:project/groups", {
      params: { project: context.project },
      query: given({ after, limit }),
    });
    const rows = page.groups.map((one) => [one.name, one.owner, one.members.join(", ")]);
    await cli.out.show(page, table(["NAME", "OWNER", "MEMBERS"], rows, "no groups"));
  });

  leaf(groups, "show <group>", "Show a group").action(async (name, options) => {
    const context = cli.context(options);
    const api = await context.caller();
    const shown = await api("GET /v1/projects/:project/groups/:group", {
      params: { project: context.project, group: name },
    });
    await cli.out.show(shown, groupView(shown));
  });

  change(groups, "create <name> [members...]", "Make a group")
    .addHelpText("after", examples("group create perf-team blue red"))
    .action(async (name, members, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const params = { project: context.project };
      const route = "POST /v1/projects/:project/groups";
      const made = await api(route, { params, body: { name, members } }, { idempotencyKey });
      await cli.out.show(made, groupView(made));
    });

  const verbs = [
    ["add <group> <members...>", "Add members to a group that you made", "add"],
    ["remove <group> <members...>", "Remove members from a group that you made", "remove"],
  ] as const;
  for (const [usage, summary, verb] of verbs)
    change(groups, usage, summary).action(async (name, members, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const params = { project: context.project, group: name };
      const route = "POST /v1/projects/:project/groups/:group/members";
      const body = { [verb]: members };
      const changed = await api(route, { params, body }, { idempotencyKey });
      await cli.out.show(changed, groupView(changed));
    });
};
