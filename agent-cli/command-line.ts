import { ALIASES } from "./commands.ts";

/** The words of one invocation, sorted out before any command's module is loaded. */
export interface CommandLine {
  /** The word that chooses the command; undefined when there is none. */
  readonly noun: string | undefined;
  /** Everything after the noun, options that stood before it at the end. */
  readonly rest: readonly string[];
  /** What follows `--`; undefined without it. */
  readonly trailing: readonly string[] | undefined;
  readonly json: boolean;
}

const TAKES_VALUE = new Set(["--as", "--project", "--url", "--key"]);

/** `gridpost --as blue inbox` means `gridpost inbox --as blue`; `leases` alone means `lease ls`. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const end = argv.indexOf("--");
  const words = end < 0 ? argv : argv.slice(0, end);
  const at = nounAt(words);
  const word = words[at];
  const alias = word === undefined ? undefined : ALIASES[word];
  const after = words.slice(at + 1);
  const noun = alias?.noun ?? word;
  const trailing = end < 0 ? undefined : argv.slice(end + 1);
  const verb = alias !== undefined && (after[0] ?? "-").startsWith("-") ? [alias.verb] : [];
  return {
    noun,
    rest: [...verb, ...after, ...words.slice(0, at), ...wordsBehind(noun, trailing)],
    trailing,
    json: words.includes("--json"),
  };
}

/** What follows `--` is a command of its own for `reserve`; elsewhere it is words that are no options. */
const wordsBehind = (noun: string | undefined, trailing: readonly string[] = []): string[] =>
  noun === "reserve" || trailing.length === 0 ? [] : ["--", ...trailing];

/** The first word that is neither an option nor the value of one; the number of words if there is none. */
function nounAt(words: readonly string[]): number {
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? "";
    if (TAKES_VALUE.has(word)) i += 1;
    else if (!word.startsWith("-")) return i;
  }
  return words.length;
}
