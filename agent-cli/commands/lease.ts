import { type Command, Option } from "@commander-js/extra-typings";
import { ProblemError } from "../../contract/problem-error.ts";
import { count, duration, given } from "../arguments.ts";
import { change, type Cli, type Define, examples, group, leaf, list } from "../command.ts";
import { historyView, type Lease, leasesView, leaseView } from "../lease-view.ts";
import type { ActingAgent, Context } from "../context.ts";
import { repositoryName } from "../repository.ts";
import { record } from "../view.ts";

interface Chosen {
  readonly ids: readonly string[];
  readonly all: true | undefined;
  readonly context: Context;
  readonly agent: ActingAgent;
}

/** The leases named on the line, or with `--all` those that the agent holds. */
async function chosenLeases({ ids, all, context, agent }: Chosen): Promise<string[]> {
  if (ids.length > 0 === (all === true))
    throw new ProblemError("BAD_REQUEST", "say which leases", {
      next: "give their ids or --all; gridpost leases --mine lists them",
    });
  if (!all) return [...ids];
  const held: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await agent.api("GET /v1/projects/:project/leases", {
      params: { project: context.project },
      query: { mine: "true", limit: 500, ...given({ after }) },
    });
    held.push(...page.leases.map(({ id }) => id));
    if (page.next === null) return held;
    after = page.next;
  }
}

/** One command, one key, several calls: a key must not stand for two of them. */
const keyFor = (key: string, lease: string): string => `${key}-${lease}`;

/** One lease that was named is shown as `lease show` does, several are a list. */
async function showEach(
  cli: Cli,
  ids: readonly string[],
  changes: readonly (() => Promise<Lease>)[],
): Promise<void> {
  const leases: Lease[] = [];
  for (const apply of changes) leases.push(await apply());
  const [only] = leases;
  if (ids.length === 1 && only !== undefined) await cli.out.show(only, leaseView(only));
  else await cli.out.show({ leases, next: null }, leasesView(leases));
}

/** `gridpost renew` */
export const defineRenew: Define = (program, cli) => {
  change(program, "renew [ids...]", "Extend leases from now")
    .option("--all", "all leases that you hold")
    .option("--ttl <duration>", "how long from now (default: as when it was taken)", duration)
    .addHelpText("after", examples("renew --all", "renew 01991c7e-… --ttl 2h"))
    .action(async (ids, options) => {
      const { all, ttl: ttlMs } = options;
      const key = cli.key(options);
      const context = cli.context(options);
      const agent = await context.agent();
      const chosen = await chosenLeases({ ids, all, context, agent });
      const renewals = chosen.map(
        (lease) => () =>
          agent.api(
            "POST /v1/projects/:project/leases/:lease/renew",
            { params: { project: context.project, lease }, body: given({ ttlMs }) },
            { idempotencyKey: keyFor(key, lease) },
          ),
      );
      await showEach(cli, ids, renewals);
    });
};

/** `gridpost release` */
export const defineRelease: Define = (program, cli) => {
  change(program, "release [ids...]", "Give leases back; repeating it changes nothing")
    .option("--all", "all leases that you hold")
    .addHelpText("after", examples("release --all", "release 01991c7e-…"))
    .action(async (ids, options) => {
      const key = cli.key(options);
      const context = cli.context(options);
      const agent = await context.agent();
      const chosen = await chosenLeases({ ids, all: options.all, context, agent });
      const releases = chosen.map(
        (lease) => () =>
          agent.api(
            "POST /v1/projects/:project/leases/:lease/release",
            { params: { project: context.project, lease } },
            { idempotencyKey: keyFor(key, lease) },
          ),
      );
      await showEach(cli, ids, releases);
    });
};

const kindOption = () =>
  new Option("--kind <kind>", "only leases on this kind of resource").choices([
    "file",
    "model",
    "cell",
    "gpu",
    "slot",
  ] as const);

/** `gridpost lease`, and `gridpost leases` for its list */
export const defineLease: Define = (program, cli) => {
  const lease = group(program, "lease", "Leases: who holds what");
  defineListVerbs(lease, cli);
  defineChangeVerbs(lease, cli);
  defineOperatorVerbs(lease, cli);
};

function defineListVerbs(lease: Command, cli: Cli): void {
  list(lease, "ls", "List leases that are held")
    .option("--mine", "only your own")
    .option("--holder <name>", "only this holder's")
    .addOption(kindOption())
    .addHelpText("after", examples("leases", "lease ls --mine", "lease ls --kind gpu --json"))
    .action(async ({ mine, holder, kind, after, limit, ...common }) => {
      const context = cli.context(common);
      const api = mine ? (await context.agent()).api : await context.caller();
      const page = await api("GET /v1/projects/:project/leases", {
        params: { project: context.project },
        query: { ...given({ holder, kind, after, limit }), ...(mine ? { mine: "true" } : {}) },
      });
      await cli.out.show(page, leasesView(page.leases));
    });

  leaf(lease, "show <id>", "Show a lease").action(async (id, options) => {
    const context = cli.context(options);
    const api = await context.caller();
    const shown = await api("GET /v1/projects/:project/leases/:lease", {
      params: { project: context.project, lease: id },
    });
    await cli.out.show(shown, leaseView(shown));
  });

  list(lease, "history <pattern>", "Who held what a pattern covers, newest first")
    .option(
      "--repo <name>",
      "the repository (default: as the guard was told, or the name in the origin URL)",
    )
    .addHelpText("after", examples("lease history 'src/**'", "lease history gpu:n1/GPU-7"))
    .action(async (resource, { repo, after, limit, ...common }) => {
      const context = cli.context(common);
      const api = await context.caller();
      const page = await api("GET /v1/projects/:project/lease-history", {
        params: { project: context.project },
        query: { resource, repo: repo ?? (await repositoryName()), ...given({ after, limit }) },
      });
      await cli.out.show(page, historyView(page.leases));
    });
}

/** What its holder does to a lease that is held. */
function defineChangeVerbs(lease: Command, cli: Cli): void {
  const modes = [
    ["upgrade <id>", "Make a shared lease exclusive, with a new fence", "exclusive"],
    ["downgrade <id>", "Make an exclusive lease shared", "shared"],
  ] as const;
  for (const [usage, summary, mode] of modes)
    change(lease, usage, summary).action(async (id, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const params = { project: context.project, lease: id };
      const route = "POST /v1/projects/:project/leases/:lease/mode";
      const changed = await api(route, { params, body: { mode } }, { idempotencyKey });
      await cli.out.show(changed, leaseView(changed));
    });

  change(lease, "transfer <id> <agent>", "Hand a lease to another agent, with a new fence").action(
    async (id, to, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const params = { project: context.project, lease: id };
      const route = "POST /v1/projects/:project/leases/:lease/transfer";
      const handed = await api(route, { params, body: { to } }, { idempotencyKey });
      await cli.out.show(handed, leaseView(handed));
    },
  );
}

/** What needs more than an agent's rights. */
function defineOperatorVerbs(lease: Command, cli: Cli): void {
  change(lease, "force-release <id>", "Take a lease away from its holder, who is told why")
    .requiredOption("--reason <text>", "why")
    .action(async (id, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const api = await context.user();
      const params = { project: context.project, lease: id };
      const route = "POST /v1/projects/:project/leases/:lease/force-release";
      const body = { reason: options.reason };
      const freed = await api(route, { params, body }, { idempotencyKey });
      await cli.out.show(freed, leaseView(freed));
    });

  leaf(lease, "repo <name>", "Say whether a repository tells upper from lower case")
    .addOption(
      new Option("--case <rule>", "ignore: paths that differ only by case are the same to leases")
        .choices(["ignore", "match"] as const)
        .makeOptionMandatory(),
    )
    .addHelpText("after", examples("lease repo app --case ignore"))
    .action(async (repo, { case: rule, ...common }) => {
      const context = cli.context(common);
      const api = await context.user();
      const defined = await api("PUT /v1/projects/:project/repositories/:repo", {
        params: { project: context.project, repo },
        body: { ignoreCase: rule === "ignore" },
      });
      await cli.out.show(
        defined,
        record([
          ["name", defined.name],
          ["case", rule],
        ]),
      );
    });

  leaf(lease, "slot <name>", "Say how many may hold slot:NAME at the same time")
    .requiredOption("--capacity <n>", "how many", count)
    .action(async (slot, { capacity, ...common }) => {
      const context = cli.context(common);
      const api = await context.user();
      const params = { project: context.project, slot };
      const defined = await api("PUT /v1/projects/:project/slots/:slot", {
        params,
        body: { capacity },
      });
      const { name } = defined;
      await cli.out.show(
        defined,
        record([
          ["name", name],
          ["capacity", defined.capacity],
        ]),
      );
    });
}
