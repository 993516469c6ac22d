import { given } from "../arguments.ts";
import { change, type Define, examples, group, leaf, list } from "../command.ts";
import { at, record, table } from "../view.ts";

/** `gridpost project` */
export const defineProject: Define = (program, cli) => {
  const project = group(
    program,
    "project",
    "Projects: the namespaces of agents, threads and sweeps",
  );

  change(project, "create <name>", "Make a project")
    .addHelpText("after", examples("project create llm-serving"))
    .action(async (name, options) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const made = await api("POST /v1/projects", { body: { name } }, { idempotencyKey });
      await cli.out.show(
        made,
        record([
          ["name", made.name],
          ["created", at(made.createdAt)],
        ]),
      );
    });

  list(project, "ls", "List the projects that you may read").action(
    async ({ after, limit, ...common }) => {
      const api = await cli.context(common).caller();
      const page = await api("GET /v1/projects", { query: given({ after, limit }) });
      const rows = page.projects.map((one) => [one.name, at(one.createdAt)]);
      await cli.out.show(page, table(["NAME", "CREATED"], rows, "no projects"));
    },
  );

  leaf(project, "show [name]", "Show a project").action(async (name, options) => {
    const context = cli.context(options);
    const api = await context.caller();
    const shown = await api("GET /v1/projects/:project", {
      params: { project: name ?? context.project },
    });
    await cli.out.show(
      shown,
      record([
        ["name", shown.name],
        ["created", at(shown.createdAt)],
        ["agents", shown.agents],
        ["threads", shown.threads],
        ["leases", shown.leases],
        ["sweeps", shown.sweeps],
      ]),
    );
  });
};
