import { Argument } from "@commander-js/extra-typings";
import type { Answer } from "../api.ts";
import { given } from "../arguments.ts";
import { change, type Define, examples, group, list } from "../command.ts";
import { record, table, type View } from "../view.ts";

const roleArgument = () =>
  new Argument("<role>", "what it may do").choices([
    "admin",
    "operator",
    "member",
    "viewer",
  ] as const);

/** `gridpost role` */
export const defineRole: Define = (program, cli) => {
  const roles = group(program, "role", "Roles: what users may do, on the server or in a project");

  list(roles, "ls", "List roles; with --project those of a project").action(
    async ({ after, limit, ...common }) => {
      const api = await cli.context(common).user();
      const query = given({ after, limit });
      const { project } = common;
      const page = await (project === undefined
        ? api("GET /v1/roles", { query })
        : api("GET /v1/projects/:project/roles", { params: { project }, query }));
      const rows = page.roles.map((one) => [one.principal, one.role, one.project ?? "(server)"]);
      await cli.out.show(page, table(["PRINCIPAL", "ROLE", "PROJECT"], rows, "no roles"));
    },
  );

  change(roles, "grant <principal>", "Give a user a role on the server, or with --project in one")
    .addArgument(roleArgument())
    .option("--ahead", "also to somebody who has yet to join")
    .addHelpText("after", examples("role grant user:anna operator --project llm-serving"))
    .action(async (principal, role, options) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const { project, ahead } = options;
      const body = { principal, role, ...given({ ahead }) };
      const now = await (project === undefined
        ? api("POST /v1/roles", { body }, { idempotencyKey })
        : api(
            "POST /v1/projects/:project/roles",
            { params: { project }, body },
            { idempotencyKey },
          ));
      await cli.out.show(now, roleView(now));
    });

  change(roles, "revoke <principal>", "Take a role from a user")
    .addArgument(roleArgument())
    .addHelpText("after", examples("role revoke user:anna operator --project llm-serving"))
    .action(async (principal, role, options) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const { project } = options;
      const body = { principal, role };
      const now = await (project === undefined
        ? api("POST /v1/roles/revoke", { body }, { idempotencyKey })
        : api(
            "POST /v1/projects/:project/roles/revoke",
            { params: { project }, body },
            { idempotencyKey },
          ));
      await cli.out.show(now, roleView(now));
    });
};

const roleView = ({ principal, role, project }: Answer<"POST /v1/roles">): View =>
  record([
    ["principal", principal],
    ["role", role],
    ["project", project],
  ]);
