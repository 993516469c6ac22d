import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Cli } from "./command.ts";
import { ALIASES, NOUNS } from "./commands.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

export const isShell = (name: string): name is Shell => SHELLS.some((shell) => shell === name);

/** A place in the command line and the words that may follow it. */
export interface Node {
  /** `sweep run`; empty for the beginning. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly summary: string }[];
  readonly options: readonly { readonly flag: string; readonly summary: string }[];
}

/** Every place in the command line, from the commands themselves. */
export async function commandTree(cli: Cli): Promise<Node[]> {
  const program = new Command("gridpost");
  for (const { load } of NOUNS) (await load())(program, cli);
  const nouns = NOUNS.map(({ name, summary }) => ({ word: name, summary }));
  const aliases = Object.keys(ALIASES).map((word) => ({ word, summary: "" }));
  const rest = program.commands.flatMap((command) => nodesOf(command, command.name()));
  return [{ path: "", words: [...nouns, ...aliases], options: [] }, ...rest];
}

function nodesOf(command: CommandUnknownOpts, path: string): Node[] {
  const verbs = command
    .createHelp()
    .visibleCommands(command)
    .filter((verb) => verb.name() !== "help");
  const words = verbs.map((verb) => ({
    word: verb.name(),
    summary: verb.description(),
  }));
  const options = command.options.map(({ long, short, description }) => ({
    flag: long ?? short ?? "",
    summary: description,
  }));
  return [
    { path, words, options },
    ...verbs.flatMap((verb) => nodesOf(verb, `${path} ${verb.name()}`)),
  ];
}

export function script(shell: Shell, nodes: readonly Node[]): string {
  if (shell === "fish") return fishScript(nodes);
  const bash = bashScript(nodes);
  return shell === "bash" ? bash : zshScript(bash);
}

/** The file is run as the function that zsh loads for the first completion, which it must answer, too. */
const zshScript = (bash: string): string => `#compdef gridpost
autoload -U +X bashcompinit && bashcompinit
${bash}
if [ "\${funcstack[1]}" = _gridpost ]; then _bash_complete -o default -F _gridpost; fi
`;

/** The longest known beginning of the line decides what may follow. */
function bashScript(nodes: readonly Node[]): string {
  const cases = nodes.map(({ path, words, options }) => {
    const all = [...words.map(({ word }) => word), ...options.map(({ flag }) => flag)];
    return `    "${path}") words="${all.join(" ")}" ;;`;
  });
  return `_gridpost() {
  local place="" word words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in -*) continue ;; esac
    case " ${nodes.map(({ path }) => path.replaceAll(" ", "/")).join(" ")} " in
      *" \${place:+$place/}$word "*) place="\${place:+$place/}$word" ;;
    esac
  done
  case "\${place//\\// }" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _gridpost gridpost
`;
}

const fishQuoted = (value: string): string => `'${value.replaceAll(/['\\]/g, "\\$&")}'`;

/** As in bash, the longest known beginning of the line decides; a noun such as `run` is also a verb of others. */
function fishScript(nodes: readonly Node[]): string {
  const place = (path: string): string => path.replaceAll(" ", "/");
  const known = nodes.map(({ path }) => place(path)).filter((path) => path !== "");
  const lines = nodes.flatMap(({ path, words, options }) => {
    const when = fishQuoted(`__gridpost_place ${place(path)}`.trim());
    return [
      ...words.map(
        ({ word, summary }) =>
          `complete -c gridpost -f -n ${when} -a ${word} -d ${fishQuoted(summary)}`,
      ),
      ...options.map(
        ({ flag, summary }) =>
          `complete -c gridpost -n ${when} -l ${flag.replace(/^--/, "")} -d ${fishQuoted(summary)}`,
      ),
    ];
  });
  return `function __gridpost_place
  set -l place
  for word in (commandline -opc)[2..]
    set -l longer (string join -- / $place $word)
    contains -- $longer ${known.join(" ")}; and set place $longer
  end
  test "$place" = "$argv[1]"
end
${lines.join("\n")}
`;
}
