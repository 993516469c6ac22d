import { randomUUID } from "node:crypto";
import type { Command, CommandUnknownOpts } from "@commander-js/extra-typings";
import { count, idempotencyKey } from "./arguments.ts";
import { type Context, type ContextOptions, createContext } from "./context.ts";
import type { Environment } from "./environment.ts";
import type { Output } from "./output.ts";

/** What commands need of the process. */
export interface Cli {
  readonly environment: Environment;
  readonly out: Output;
  /** The words after `--`; undefined without it. */
  readonly trailing: readonly string[] | undefined;
  context(options: ContextOptions["options"]): Context;
  /**
   * The idempotency key of this command: the given one or a new one. It is asked for before the first call, so that the
   * error of an unreachable server can name the command that is safe to repeat.
   */
  key(options: { readonly key?: string | undefined }): string;
  /** Words that a repetition of the command takes, too: what a person was asked for meanwhile is not asked for again. */
  repeatWith(...words: readonly string[]): void;
  /** Ends the process with this code although nothing was thrown. */
  exitWith(code: number): void;
}

/** The state of one invocation, as `main` reads it when the command has ended. */
export interface Invocation extends Cli {
  readonly usedKey: () => string | undefined;
  readonly repeatedWith: () => readonly string[];
  readonly exitCode: () => number;
}

export interface CliParts {
  readonly environment: Environment;
  readonly out: Output;
  readonly trailing: readonly string[] | undefined;
}

export function createCli({ environment, out, trailing }: CliParts): Invocation {
  let key: string | undefined;
  let code = 0;
  let repeated: readonly string[] = [];
  return {
    environment,
    out,
    trailing,
    context: (options) => createContext({ environment, out, options }),
    key: (options) => (key = options.key ?? randomUUID()),
    repeatWith: (...words) => void (repeated = words),
    repeatedWith: () => repeated,
    exitWith: (given) => void (code = given),
    usedKey: () => key,
    exitCode: () => code,
  };
}

/** Adds a noun's commands to the program. */
export type Define = (program: Command, cli: Cli) => void;

/** A command with the options that all of them take. `usage` is its name and arguments. */
export function leaf<const Usage extends string>(
  parent: CommandUnknownOpts,
  usage: Usage,
  summary: string,
) {
  return parent
    .command(usage)
    .description(summary)
    .option("--json", "print one JSON document")
    .option("--as <agent>", "act as this agent (GRIDPOST_AGENT)")
    .option("--project <name>", "the project (GRIDPOST_PROJECT, else default)")
    .option("--url <url>", "the server (GRIDPOST_URL, else the one joined last)")
    .option("--insecure", "allow plain HTTP beyond this machine; a join with it is remembered");
}

/** The same for a command that shows one page of a list. */
export function list<const Usage extends string>(
  parent: CommandUnknownOpts,
  usage: Usage,
  summary: string,
) {
  return leaf(parent, usage, summary)
    .option("--after <cursor>", "the next of the page before")
    .option("--limit <n>", "at most so many", count);
}

/** The same for a command that changes something on the server. */
export function change<const Usage extends string>(
  parent: CommandUnknownOpts,
  usage: Usage,
  summary: string,
) {
  return leaf(parent, usage, summary).option(
    "--key <key>",
    "idempotency key: repeating a command with the same key changes nothing more",
    idempotencyKey,
  );
}

/** A noun that has verbs. */
export const group = (parent: Command, name: string, summary: string): Command =>
  parent.command(name).description(summary).helpCommand(false);

/** Examples at the end of a command's help. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ gridpost ${line}`).join("\n")}`;
