import type { Command } from "@commander-js/extra-typings";
import { Option } from "@commander-js/extra-typings";
import { ProblemError } from "../../contract/problem-error.ts";
import { fullRef } from "../../contract/ref.ts";
import { type Cli, type Define, examples, group, leaf } from "../command.ts";
import type { CommonOptions, Context } from "../context.ts";
import { variable } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import { askGuard, PATIENCE_MS, type Verdict } from "../guard-ask.ts";
import { git, gitLine } from "../git.ts";
import { trackedPaths } from "../guard-git.ts";
import {
  hooksFolder,
  type Installed,
  installHook,
  isBare,
  uninstallHooks,
} from "../guard-hooks.ts";
import { describeVerdict } from "../guard-report.ts";
import { runHook } from "../guard-run.ts";
import { type Hook, HOOKS } from "../guard-script.ts";
import { REPO_KEY, repositoryName } from "../repository.ts";
import { text } from "../view.ts";

/** `gridpost guard` */
export const defineGuard: Define = (program, cli) => {
  const guard = group(program, "guard", "Keeps commits and pushes off what others hold");
  defineInstall(guard, cli);
  defineUninstall(guard, cli);
  defineCheck(guard, cli);
  defineHook(guard, cli);
};

const policy = <const Flags extends string>(flags: Flags, about: string) =>
  new Option(flags, about).choices(["open", "closed"] as const);

function defineInstall(guard: Command, cli: Cli): void {
  leaf(guard, "install", "Add the guard to the hooks of this repository, before those that it has")
    .option("--repo <name>", "the name that leases know the repository by")
    .option("--pre-commit", "guard commits")
    .option("--pre-push", "guard pushes")
    .option("--pre-receive", "in a bare repository: refuse pushes into it")
    .addOption(
      policy("--commit-policy <policy>", "when nobody can tell, commits go on (open) or not"),
    )
    .addOption(
      policy("--push-policy <policy>", "when nobody can tell, pushes go on or not (closed)"),
    )
    .addHelpText("after", examples("guard install", "guard install --pre-push --push-policy open"))
    .action(async (options) => {
      const folder = await hooksFolder();
      const { repo, commitPolicy, pushPolicy } = options;
      await configure({
        [REPO_KEY]: repo,
        [PROJECT_KEY]: namedProject(cli, options),
        "gridpost.guardCommit": commitPolicy,
        "gridpost.guardPush": pushPolicy,
      });
      const program = { node: process.execPath, entry: cli.environment.entry };
      const hooks: Installed[] = [];
      for (const hook of await chosenHooks(options))
        hooks.push(await installHook(folder, hook, program));
      const writers = new Set(hooks.flatMap(({ writer }) => writer ?? []));
      for (const writer of writers)
        cli.out.note(
          `${writer} writes its hooks anew when it is set up again, without the guard: repeat "gridpost guard install" after that`,
        );
      const lines = hooks.map(({ hook, path, how }) => `${hook}\t${how}\t${path}`);
      await cli.out.show({ hooks }, text(lines.join("\n")));
    });
}

async function configure(values: Readonly<Record<string, string | undefined>>): Promise<void> {
  for (const [key, value] of Object.entries(values))
    if (value !== undefined) await git(["config", key, value]);
}

interface Chosen {
  readonly preCommit?: true | undefined;
  readonly prePush?: true | undefined;
  readonly preReceive?: true | undefined;
}

async function chosenHooks({ preCommit, prePush, preReceive }: Chosen): Promise<Hook[]> {
  const none = preCommit === undefined && prePush === undefined && preReceive === undefined;
  const bare = await isBare();
  const receive = preReceive === true || (none && bare);
  return [
    // Git runs another hook for a merge that it commits by itself.
    ...((preCommit ?? (none && !bare)) ? (["pre-commit", "pre-merge-commit"] as const) : []),
    ...((prePush ?? (none && !bare)) ? (["pre-push"] as const) : []),
    ...(receive ? (["pre-receive"] as const) : []),
  ];
}

function defineUninstall(guard: Command, cli: Cli): void {
  leaf(guard, "uninstall", "Take the guard out of the hooks of this repository").action(
    async () => {
      const { hooks, left } = await uninstallHooks(await hooksFolder());
      for (const { path, kept } of left)
        cli.out.note(`${path} is another's hook now; the one that was there before is in ${kept}`);
      const keys = [REPO_KEY, "gridpost.guardCommit", "gridpost.guardPush"];
      for (const key of [...keys, PROJECT_KEY])
        await git(["config", "--unset", key]).catch(() => undefined);
      await cli.out.show({ hooks }, text(hooks.join("\n")));
    },
  );
}

const EXIT_OF: Readonly<Record<Verdict["verdict"], number>> = {
  clear: EXIT.ok,
  blocked: EXIT.conflict,
  unknown: EXIT.undecided,
};

function defineCheck(guard: Command, cli: Cli): void {
  leaf(guard, "check <paths...>", "Ask whether you may change paths: 0 yes, 3 no, 8 cannot tell")
    .option(
      "--repo <name>",
      "the repository (default: as the guard was told, or the name in the origin URL)",
    )
    .option("--ref <branch>", "the branch that the change goes to")
    .addHelpText(
      "after",
      examples("guard check src/a.ts docs", "guard check src --ref main --json"),
    )
    .action(async (paths, options) => {
      const context = await guardedContext(cli, options);
      const repo = options.repo ?? (await repositoryName());
      const { ref } = options;
      const changes = [{ paths: await trackedPaths(paths), ref: ref && fullRef(ref) }];
      const verdict = await askGuard({ context, repo, changes, holder: undefined });
      await cli.out.show(verdict, text(describeVerdict(verdict)));
      cli.exitWith(EXIT_OF[verdict.verdict]);
    });
}

/** The key of the repository's configuration that keeps the project that the guard was installed for. */
const PROJECT_KEY = "gridpost.guardProject";

/** The project of a flag or of the environment. */
const namedProject = ({ environment }: Cli, { project }: CommonOptions): string | undefined =>
  project ?? variable(environment, "GRIDPOST_PROJECT");

/** Whoever commits need not say again for which project the guard was installed. */
async function guardedContext(cli: Cli, options: CommonOptions): Promise<Context> {
  const project = namedProject(cli, options) ?? (await gitLine("config", "--get", PROJECT_KEY));
  return cli.context({ ...options, project, timeoutMs: PATIENCE_MS });
}

/** What the installed hooks call; not for people. */
function defineHook(guard: Command, cli: Cli): void {
  guard.command("hook <hook> [arguments...]", { hidden: true }).action(async (hook, args) => {
    if (!isHook(hook))
      throw new ProblemError("BAD_REQUEST", `the guard knows no hook ${hook}`, {
        next: `one of ${HOOKS.join(", ")}`,
      });
    const context = await guardedContext(cli, {});
    const { variables } = cli.environment;
    const parts = { hook, args, context, variables, repo: await repositoryName() };
    const free = await runHook(parts, (line) => cli.out.note(line));
    cli.exitWith(free ? EXIT.ok : EXIT.failure);
  });
}

const isHook = (name: string): name is Hook => HOOKS.some((hook) => hook === name);
