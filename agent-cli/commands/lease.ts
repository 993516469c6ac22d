import { Option } from "@commander-js/extra-typings";
import { formatResource, parseResource } from "../../contract/resource.ts";
import { ProblemError } from "../../contract/problem-error.ts";
import type { Answer } from "../api.ts";
import { count, duration, given } from "../arguments.ts";
import { change, type Cli, type Define, examples, group, leaf } from "../command.ts";
import type { ActingAgent, Context } from "../context.ts";
import { repositoryName } from "../repository.ts";
import { at, record, table, type View } from "../view.ts";

type Lease = Answer<"GET /v1/projects/:project/leases/:lease">;

const leaseView = (lease: Lease): View =>
  record([
    ["id", lease.id],
    ["fence", lease.fence],
    ["holder", lease.holder],
    ["state", lease.state],
    ["mode", lease.mode],
    ["resources", lease.resources.map(formatResource).join(" ")],
    ["expires", at(lease.expiresAt)],
    ["reason", lease.reason],
    ["thread", lease.thread],
  ]);

const leasesView = (leases: readonly Lease[]): View =>
  table(
    ["ID", "FENCE", "HOLDER", "MODE", "RESOURCES", "EXPIRES", "REASON"],
    leases.map((lease) => [
      lease.id,
      lease.fence,
      lease.holder,
      lease.mode,
      lease.resources.map(formatResource).join(" "),
      lease.expiresAt === null ? lease.state : at(lease.expiresAt),
      lease.reason,
    ]),
    "no leases",
  );

/** `gridpost reserve` */
export const defineReserve: Define = (program, cli) => {
  change(program, "reserve <patterns...>", "Take a lease on file patterns, all or nothing")
    .option("--shared", "others may share it; exclusive otherwise")
    .option("--ttl <duration>", "how long it lasts without a renewal (default 1h)", duration)
    .option("--reason <text>", "why, for those who run into it")
    .option("--thread <id>", "where to talk about it")
    .option("--repo <name>", "the repository (default: the name in the origin URL)")
    .addHelpText(
      "after",
      `${examples(
        "reserve 'src/attention/**' --reason 'new kernel' --ttl 2h",
        "reserve docs README.md --shared",
        "reserve model:llama-3.1-8b@main",
      )}

Patterns are git pathspecs with glob magic and start at the root of the repository.
Exit code 3: somebody else holds a conflicting lease; the answer says who.`,
    )
    .action(async (patterns, options) => {
      const { ttl: ttlMs, reason, thread } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const repo = options.repo ?? (await repositoryName());
      const { api } = await context.agent();
      const lease = await api(
        "POST /v1/projects/:project/leases",
        {
          params: { project: context.project },
          body: {
            resources: patterns.map((pattern) => parseResource(pattern, repo)),
            ...given({ ttlMs, reason, thread }),
            ...(options.shared ? { mode: "shared" as const } : {}),
          },
        },
        { idempotencyKey },
      );
      await cli.out.show(lease, leaseView(lease));
    });
};

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

  leaf(lease, "ls", "List leases that are held")
    .option("--mine", "only your own")
    .option("--holder <name>", "only this holder's")
    .addOption(kindOption())
    .option("--after <cursor>", "the next of the page before")
    .option("--limit <n>", "at most so many", count)
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
};
