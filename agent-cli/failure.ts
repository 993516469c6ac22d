import { CommanderError } from "@commander-js/extra-typings";
import { ProblemError } from "../contract/problem-error.ts";
import { shellWord } from "../contract/shell-word.ts";
import { durationText } from "../contract/units.ts";
import { UnreachableError } from "../contract/transport.ts";
import { inProject, ofArguments } from "../runtime/advice.ts";
import { NoCredentialsError } from "../runtime/no-credentials.ts";
import { NoServerError } from "./context.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { oneLine } from "./view.ts";

/** What a command that failed says. */
export interface Failure {
  readonly exitCode: number;
  /** The document of `--json`; the codes that no server sends are USAGE, UNREACHABLE, NO_CREDENTIALS and FAILED. */
  readonly problem: {
    readonly code: string;
    readonly message: string;
    readonly details: readonly Record<string, unknown>[];
    readonly next?: string | undefined;
    readonly retryAfterMs?: number | undefined;
  };
}

export interface FailedLine {
  /** The words after `gridpost`. */
  readonly argv: readonly string[];
  /** Words that a repetition takes, too. */
  readonly more?: readonly string[];
  /** Which of them are the command, with its verb if it has one; else the first. */
  readonly command?: readonly string[] | undefined;
  /** The idempotency key that the command used, if it changes something. */
  readonly key: string | undefined;
}

export function failureOf(error: unknown, line: FailedLine): Failure {
  const exitCode = error instanceof CommanderError ? EXIT.usage : exitCodeOf(error);
  if (error instanceof ProblemError) return { exitCode, problem: refused(error, line) };
  if (error instanceof CommanderError)
    return {
      exitCode,
      problem: problem("USAGE", usageMessage(error), `${commandOf(line)} --help`),
    };
  if (error instanceof NoCredentialsError || error instanceof NoServerError)
    return { exitCode, problem: problem("NO_CREDENTIALS", error.message, error.next) };
  if (error instanceof UnreachableError) return { exitCode, problem: unreachable(error, line) };
  const message = error instanceof Error ? error.message : String(error);
  return { exitCode, problem: problem("FAILED", message, "gridpost doctor") };
}

/** What the contract says of a request in words of the command line: people and agents gave arguments, not a body. */
function refused(error: ProblemError, line: FailedLine): Failure["problem"] {
  const said = error.toProblem();
  const words = (text: string): string => asGiven(text, line.argv);
  const details = said.details.map((detail) => detailAsGiven(detail, words));
  if (said.next?.endsWith(" in /openapi.json") === true)
    return { ...said, message: words(said.message), details, next: `${commandOf(line)} --help` };
  const next = said.next === undefined ? undefined : inProject(said.next, projectIn(line));
  return { ...said, details, next };
}

type Detail = ProblemError["details"][number];

function detailAsGiven(detail: Detail, words: (text: string) => string): Detail {
  const { file, path, message } = detail;
  if (typeof path !== "string" || file !== undefined) return detail;
  if (typeof message !== "string") return { ...detail, path: words(path) };
  const [where = "", ...what] = words(`${path}: ${message}`).split(": ");
  return { ...detail, path: where, message: what.join(": ") };
}

/**
 * A mistake by the option that was given: `body.ttlMs: must be at least 60000` as `--ttl: must be at least 1m`. What came by
 * no long option keeps the name of the API, which is that of the argument.
 */
function asGiven(mistake: string, argv: readonly string[]): string {
  const plain = ofArguments(mistake);
  const [all = "", field = ""] = /^(\w+)(?:\.\d+)?(?=: |$)/.exec(plain) ?? [];
  const option = optionOf(field, argv);
  if (option === undefined) return plain;
  const rest = plain.slice(all.length);
  const isDuration = field.endsWith("Ms");
  return (
    option +
    (isDuration
      ? rest.replaceAll(/\b\d+\b(?! (?:more|days)\b)/g, (ms) => durationText(Number(ms)))
      : rest)
  );
}

/** The longest of the given options that a field is named after: `--expires` for `expiresAfterMs`. */
function optionOf(field: string, argv: readonly string[]): string | undefined {
  const words = field
    .replace(/Ms$/, "")
    .replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const given = argv.flatMap((word) => /^--([a-z][a-z-]*)/.exec(word)?.[1] ?? []);
  const meant = given.filter(
    (flag) => words === flag || words === `${flag}s` || words.startsWith(`${flag}-`),
  );
  const [option] = meant.toSorted((a, b) => b.length - a.length);
  return option === undefined ? undefined : `--${option}`;
}

/** What `--project` was given. */
function projectIn({ argv }: FailedLine): string | undefined {
  const words = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const given = words.flatMap((word, i) =>
    words[i - 1] === "--project" ? word : (/^--project=(.*)$/.exec(word)?.[1] ?? []),
  );
  return given.at(-1);
}

const problem = (code: string, message: string, next: string): Failure["problem"] => ({
  code,
  message,
  details: [],
  next,
});

const usageMessage = (error: CommanderError): string =>
  oneLine(error.message.replace(/^error: /, ""));

const commandOf = ({ argv, command }: FailedLine): string =>
  ["gridpost", ...(command ?? argv.slice(0, 1).filter((word) => !word.startsWith("-")))].join(" ");

function unreachable(error: UnreachableError, line: FailedLine): Failure["problem"] {
  if (line.key === undefined) return problem("UNREACHABLE", error.message, "gridpost doctor");
  return {
    ...problem("UNREACHABLE", error.message, withKey(line, line.key)),
    details: [{ idempotencyKey: line.key }],
  };
}

/** The same command, safe to repeat. */
function withKey({ argv, more = [] }: FailedLine, key: string): string {
  const words = argv.flatMap((word, i) =>
    word === "--key" || argv[i - 1] === "--key" || word.startsWith("--key=") ? [] : [word],
  );
  const end = words.includes("--") ? words.indexOf("--") : words.length;
  const repeated = [...words.slice(0, end), ...more, "--key", key, ...words.slice(end)];
  return ["gridpost", ...repeated.map(shellWord)].join(" ");
}

/** What people read on stderr: the message on the first line, then what it is about, then how long to wait, then what to do. */
export function describe({ problem: { message, details, next, retryAfterMs } }: Failure): string {
  const lines = details.map(describeDetail).filter((line) => line !== oneLine(message));
  return [
    `gridpost: ${oneLine(message)}`,
    ...lines.map((line) => `  ${line}`),
    ...(retryAfterMs === undefined ? [] : [`wait: ${Math.ceil(retryAfterMs / 1_000)} s`]),
    ...(next === undefined ? [] : [`next: ${next}`]),
  ].join("\n");
}

function describeDetail(detail: Record<string, unknown>): string {
  const { file, line, column, path, message } = detail;
  if (typeof message === "string" && typeof file === "string")
    return oneLine(`${[file, line, column].join(":")}: ${describePath(path)}${message}`);
  if (typeof message === "string" && typeof path === "string")
    return oneLine(`${describePath(path)}${message}`);
  const { pattern, holder } = detail;
  if (typeof pattern === "string" && typeof holder === "string")
    return oneLine(describeConflict({ ...detail, pattern, holder }));
  return oneLine(
    Object.entries(detail)
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(
        ([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
      )
      .join(", "),
  );
}

interface Conflict {
  readonly pattern: string;
  readonly holder: string;
  readonly held?: unknown;
  readonly expiresAt?: unknown;
  readonly reason?: unknown;
}

/** `src/**: red holds src/a.ts until 2026-11-20T10:00:00.000Z (new kernel)` */
function describeConflict({ pattern, holder, held, expiresAt, reason }: Conflict): string {
  const what = typeof held === "string" ? held : pattern;
  const until = typeof expiresAt === "string" ? ` until ${expiresAt}` : "";
  const why = typeof reason === "string" ? ` (${reason})` : "";
  return `${pattern}: ${holder} holds ${what}${until}${why}`;
}

const describePath = (path: unknown): string =>
  typeof path === "string" && path !== "" ? `${path}: ` : "";
