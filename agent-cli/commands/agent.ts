import { Argument, type Command } from "@commander-js/extra-typings";
import type { Answer } from "../api.ts";
import { given } from "../arguments.ts";
import { change, type Cli, type Define, examples, group, leaf, list } from "../command.ts";
import { at, record, table, type View } from "../view.ts";

type Agent = Answer<"GET /v1/projects/:project/agents/:name">;

const agentView = (agent: Agent): View =>
  record([
    ["name", agent.name],
    ["project", agent.project],
    ["owner", agent.owner],
    ["program", agent.program],
    ["model", agent.model],
    ["task", agent.task],
    ["node", agent.node],
    ["registered", at(agent.registeredAt)],
    ["active", at(agent.activeAt)],
    ["mail from", agent.policy],
    ["retired", at(agent.retiredAt)],
  ]);

/** `gridpost agent` */
export const defineAgent: Define = (program, cli) => {
  const agent = group(program, "agent", "Agents: who has an inbox");

  defineRegister(agent, cli);
  defineListVerbs(agent, cli);
  defineStandingVerbs(agent, cli);
};

function defineRegister(agent: Command, cli: Cli): void {
  change(agent, "register [name]", "Register an agent that you own; one without a name gets one")
    .option("--program <text>", "what it runs in, such as codex")
    .option("--model <text>", "the model that drives it")
    .option("--task <text>", "what it works on")
    .option("--node <name>", "the node that it lives on")
    .addHelpText("after", examples("agent register blue --program codex --task 'tune attention'"))
    .action(async (name, options) => {
      const { program: runsIn, model, task, node } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const api = await context.user();
      const made = await api(
        "POST /v1/projects/:project/agents",
        {
          params: { project: context.project },
          body: given({ name, program: runsIn, model, task, node }),
        },
        { idempotencyKey },
      );
      await cli.out.show(made, agentView(made));
    });
}

function defineListVerbs(agent: Command, cli: Cli): void {
  list(agent, "ls", "List agents by name")
    .option("--mine", "only your own")
    .addHelpText("after", examples("agent ls --mine"))
    .action(async ({ mine, after, limit, ...common }) => {
      const context = cli.context(common);
      const api = await context.caller();
      const page = await api("GET /v1/projects/:project/agents", {
        params: { project: context.project },
        query: { ...given({ after, limit }), ...(mine ? { mine: "true" } : {}) },
      });
      const rows = page.agents.map((one) => [
        one.name,
        one.owner,
        one.program,
        one.task,
        one.retiredAt === null ? at(one.activeAt) : "retired",
      ]);
      await cli.out.show(
        page,
        table(["NAME", "OWNER", "PROGRAM", "TASK", "ACTIVE"], rows, "no agents"),
      );
    });

  leaf(agent, "show <name>", "Show an agent").action(async (name, options) => {
    const context = cli.context(options);
    const api = await context.caller();
    const shown = await api("GET /v1/projects/:project/agents/:name", {
      params: { project: context.project, name },
    });
    await cli.out.show(shown, agentView(shown));
  });
}

const policyArgument = () =>
  new Argument("<policy>", "everybody, approved contacts only, or nobody").choices([
    "open",
    "contacts",
    "closed",
  ] as const);

/** What the owner decides about an agent; an agent does not decide it for itself. */
function defineStandingVerbs(agent: Command, cli: Cli): void {
  const verbs = [
    [
      "retire <name>",
      "Retire an agent that you own: it refuses new mail",
      "POST /v1/projects/:project/agents/:name/retire",
    ],
    [
      "unretire <name>",
      "Bring a retired agent that you own back",
      "POST /v1/projects/:project/agents/:name/unretire",
    ],
  ] as const;
  for (const [usage, summary, route] of verbs)
    change(agent, usage, summary).action(async (name, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const api = await context.user();
      const params = { project: context.project, name };
      const changed = await api(route, { params }, { idempotencyKey });
      await cli.out.show(changed, agentView(changed));
    });

  change(agent, "policy <name>", "Say who may write to an agent")
    .addArgument(policyArgument())
    .addHelpText("after", examples("agent policy blue contacts"))
    .action(async (name, policy, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const api = await context.user();
      const params = { project: context.project, name };
      const route = "POST /v1/projects/:project/agents/:name/policy";
      const body = { policy };
      const changed = await api(route, { params, body }, { idempotencyKey });
      await cli.out.show(changed, agentView(changed));
    });
}
