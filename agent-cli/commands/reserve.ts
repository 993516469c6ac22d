import { parseResource } from "../../contract/resource-text.ts";
import { ProblemError } from "../../contract/problem-error.ts";
import type { Request } from "../api.ts";
import { acquireLease, checkFree } from "../acquire.ts";
import { duration, given, names } from "../arguments.ts";
import { change, type Define, examples } from "../command.ts";
import { holdWhile } from "../hold-lease.ts";
import { leaseView } from "../lease-view.ts";
import { repositoryName } from "../repository.ts";
import { text } from "../view.ts";

type Order = Request<"POST /v1/projects/:project/leases">["body"];

/** `gridpost reserve` */
export const defineReserve: Define = (program, cli) => {
  change(program, "reserve <patterns...>", "Take a lease on file patterns, all or nothing")
    .option("--shared", "others may share it; exclusive otherwise")
    .option("--ttl <duration>", "how long it lasts without a renewal (default 1h)", duration)
    .option("--reason <text>", "why, for those who run into it")
    .option("--thread <id>", "where to talk about it")
    .option(
      "--repo <name>",
      "the repository (default: as the guard was told, or the name in the origin URL)",
    )
    .option("--ref <refs>", "only on these branches; several with commas", names)
    .option("--wait <duration>", "queue for it so long, such as 10m", duration)
    .option("--partial", "take what is free and list the rest")
    .option("--dry-run", "only ask whether it is free")
    .addHelpText("after", HELP)
    .action(async (patterns, options) => {
      const { ttl: ttlMs, reason, thread, ref: refs, wait: waitMs, partial, dryRun } = options;
      refuseTogether(options, cli.trailing);
      const key = cli.key(options);
      const context = cli.context(options);
      const repo = options.repo ?? (await repositoryName());
      const order: Order = {
        resources: patterns.map((pattern) => parseResource(pattern, repo)),
        ...given({ ttlMs, reason, thread, refs }),
        ...(options.shared ? { mode: "shared" as const } : {}),
      };
      const { project } = context;
      const { api, name: agent } = await context.agent();
      if (dryRun) {
        await checkFree(api, project, order);
        return cli.out.show({ free: true, conflicts: [] }, text("free"));
      }
      const note = (line: string): void => cli.out.note(line);
      const wanted = { api, project, order, key, waitMs, note };
      if (cli.trailing !== undefined)
        return cli.exitWith(
          await holdWhile({
            ...wanted,
            agent,
            command: cli.trailing,
            variables: cli.environment.variables,
          }),
        );
      const lease = await acquireLease(partial ? { ...wanted, partial } : wanted);
      await cli.out.show(lease, leaseView(lease));
      for (const { pattern, holder, held } of "conflicts" in lease ? lease.conflicts : [])
        note(`not granted: ${pattern}, of which ${holder} holds ${held}`);
    });
};

const HELP = `${examples(
  "reserve 'src/attention/**' --reason 'new kernel' --ttl 2h",
  "reserve docs README.md --shared",
  "reserve model:llama-3.1-8b@main --wait 10m",
  "reserve 'src/**' -- npm test",
)}

Patterns are git pathspecs with glob magic and start at the root of the repository.
After -- stands a command that runs while the lease is held; its exit code is this command's,
and it finds GRIDPOST_LEASE and GRIDPOST_FENCE in its environment.
Exit code 3: somebody else holds a conflicting lease; the answer says who.`;

interface Exclusive {
  readonly wait?: number | undefined;
  readonly partial?: true | undefined;
  readonly dryRun?: true | undefined;
}

/** @throws ProblemError BAD_REQUEST for options that contradict each other */
function refuseTogether({ wait, partial, dryRun }: Exclusive, trailing: unknown): void {
  const clashing = [
    ...(wait === undefined ? [] : ["--wait"]),
    ...(partial ? ["--partial"] : []),
    ...(dryRun ? ["--dry-run"] : []),
  ];
  const withCommand = trailing !== undefined && clashing.some((option) => option !== "--wait");
  if (clashing.length < 2 && !withCommand) return;
  const said = [...clashing, ...(trailing === undefined ? [] : ["-- COMMAND"])].join(" and ");
  throw new ProblemError("BAD_REQUEST", `${said} exclude each other`, {
    next: "gridpost reserve --help",
  });
}
