import { Command, CommanderError } from "@commander-js/extra-typings";
import { ProblemError } from "../contract/problem-error.ts";
import { didYouMean } from "../contract/suggest.ts";
import { type Cli, createCli } from "./command.ts";
import { type CommandLine, parseCommandLine } from "./command-line.ts";
import { NOUNS } from "./commands.ts";
import type { Environment } from "./environment.ts";
import { EXIT } from "./exit-codes.ts";
import { describe, failureOf } from "./failure.ts";
import { createOutput } from "./output.ts";
import { text } from "./view.ts";

export type { Environment } from "./environment.ts";

/**
 * The command line but `server` and `daemon`.
 * @param argv the words after `gridpost`
 * @returns the exit code
 */
export async function main(argv: readonly string[], environment: Environment): Promise<number> {
  const line = parseCommandLine(argv);
  const out = createOutput(line.json);
  const cli = createCli({ environment, out, trailing: line.trailing });
  try {
    await dispatch(line, cli);
    return cli.exitCode();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    // A command that cannot be loaded is what failed, and is told by its first word.
    const command = await commandOf(line, cli).catch(() => undefined);
    const failure = failureOf(error, {
      argv,
      more: cli.repeatedWith(),
      key: cli.usedKey(),
      command,
    });
    if (line.json) await out.show(failure.problem, text(""));
    else out.note(describe(failure));
    return failure.exitCode;
  }
}

async function dispatch({ noun, rest }: CommandLine, cli: Cli): Promise<void> {
  if (noun === undefined) return withoutNoun(rest, cli);
  if (noun === "help") return showOverview(rest, cli);
  const program = await programOf(noun, cli);
  if (program === undefined) {
    const known = NOUNS.map(({ name }) => name);
    throw new ProblemError(
      "BAD_REQUEST",
      `there is no command "${noun}"${didYouMean(noun, known)}`,
      { next: "gridpost --help" },
    );
  }
  refuseWithoutVerb(program, rest);
  await program.parseAsync([noun, ...rest], { from: "user" });
}

async function programOf(noun: string, cli: Cli): Promise<Command | undefined> {
  const load = NOUNS.find(({ name }) => name === noun)?.load;
  if (load === undefined) return undefined;
  const program = createProgram();
  (await load())(program, cli);
  return program;
}

/** The noun and, if it is one of the noun's, the verb. */
async function commandOf({ noun, rest }: CommandLine, cli: Cli): Promise<string[]> {
  const program = noun === undefined ? undefined : await programOf(noun, cli);
  return (program?.commands ?? []).flatMap((command) => {
    const verb = command.commands.find((one) => one.name() === rest[0]);
    return [command.name(), ...(verb === undefined ? [] : [verb.name()])];
  });
}

/** A program that throws instead of ending the process, and leaves the reporting of mistakes to `main`. */
export function createProgram(): Command {
  return (
    new Command("gridpost")
      // What follows a command belongs to it, also where a command and its verbs take the same option.
      .enablePositionalOptions()
      .exitOverride()
      .helpCommand(false)
      .configureOutput({ outputError: () => undefined })
      .showHelpAfterError(false)
  );
}

/** What may stand on a line that names no command. */
const OVERVIEW_OPTIONS = new Set(["--help", "-h", "--json", "--version", "-V"]);

async function withoutNoun(rest: readonly string[], cli: Cli): Promise<void> {
  const unknown = rest.find((word) => !OVERVIEW_OPTIONS.has(word));
  if (unknown !== undefined)
    throw new ProblemError("BAD_REQUEST", `there is no command before ${unknown}`, {
      next: "gridpost --help",
    });
  if (rest.includes("--version") || rest.includes("-V")) return showVersion(cli);
  return showOverview(rest, cli);
}

/** @throws ProblemError BAD_REQUEST for a noun that stands alone although it needs a verb */
function refuseWithoutVerb(program: Command, rest: readonly string[]): void {
  const [command] = program.commands;
  if (command === undefined || command.commands.length === 0) return;
  const alone = rest.every((word) => word.startsWith("-") && word !== "--help" && word !== "-h");
  if (!alone || command.registeredArguments.length > 0) return;
  const verbs = command.commands.map((verb) => verb.name()).join(", ");
  throw new ProblemError("BAD_REQUEST", `gridpost ${command.name()} needs a verb: ${verbs}`, {
    next: `gridpost ${command.name()} --help`,
  });
}

async function showVersion(cli: Cli): Promise<void> {
  const { packageVersion } = await import("../runtime/version.ts");
  await cli.out.show({ version: packageVersion() }, text(packageVersion()));
}

/** `gridpost`, `gridpost --help`, `gridpost help [COMMAND]` */
async function showOverview(rest: readonly string[], cli: Cli): Promise<void> {
  const noun = rest.find((word) => !word.startsWith("-"));
  if (noun !== undefined)
    return dispatch({ noun, rest: ["--help"], trailing: [], json: false }, cli);
  const { overview } = await import("./help.ts");
  await cli.out.show({ help: overview() }, text(overview()));
}
