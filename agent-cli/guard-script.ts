import { shellWord } from "../contract/shell-word.ts";

/** The hooks that the guard knows. */
export const HOOKS = ["pre-commit", "pre-merge-commit", "pre-push", "pre-receive"] as const;
export type Hook = (typeof HOOKS)[number];

export type Policy = "open" | "closed";

/** What happens when nobody can say whether a change is free: commits go on, what leaves the machine does not. */
export const DEFAULT_POLICY: Readonly<Record<Hook, Policy>> = {
  "pre-commit": "open",
  "pre-merge-commit": "open",
  "pre-push": "closed",
  "pre-receive": "closed",
};

/** The key of the repository's configuration that changes it. */
export const policyKey = (hook: Hook): string =>
  DEFAULT_POLICY[hook] === "open" ? "gridpost.guardCommit" : "gridpost.guardPush";

const BEGIN = "# >>> gridpost guard >>>";
const END = "# <<< gridpost guard <<<";
/** Behind BEGIN where the line above the guard is its own, too. */
const WITH_FIRST_LINE = " (and the line above)";

/** The command as this installation runs it, with `gridpost` of the PATH as the second choice. */
export interface Program {
  readonly node: string;
  readonly entry: string;
}

/** Hooks that git feeds by stdin; what comes after the guard needs it again. */
const FED: ReadonlySet<Hook> = new Set(["pre-push", "pre-receive"]);

/** The lines that the guard adds to a shell hook. They come first and leave arguments and stdin as they were. */
export const guardBlock = (hook: Hook, program: Program): string =>
  `${BEGIN}\n${guardLines(hook, program)}${END}\n`;

function guardLines(hook: Hook, { node, entry }: Program): string {
  const [program, script] = [shellWord(node), shellWord(entry)];
  const run = `gridpost_guard ${hook} "$@"`;
  const call = FED.has(hook)
    ? `gridpost_refs=$(cat)
printf '%s\\n' "$gridpost_refs" | ${run} || exit 1
if [ -z "$gridpost_refs" ]; then exec </dev/null; else exec <<GRIDPOST_REFS
$gridpost_refs
GRIDPOST_REFS
fi`
    : `${run} </dev/null || exit 1`;
  return `# Added by "gridpost guard install", removed by "gridpost guard uninstall".
gridpost_guard() {
  if [ -x ${program} ] && [ -f ${script} ]; then ${program} ${script} guard hook "$@"; return; fi
  if command -v gridpost >/dev/null 2>&1; then gridpost guard hook "$@"; return; fi
  gridpost_policy=$(git config --get ${policyKey(hook)} || echo ${DEFAULT_POLICY[hook]})
  echo "gridpost guard: gridpost is not installed here, so nothing was checked (policy: $gridpost_policy)" >&2
  [ "$gridpost_policy" = open ]
}
${call}
`;
}

const ownHook = (lines: string): string =>
  `#!/bin/sh\n${BEGIN}${WITH_FIRST_LINE}\n${lines}${END}\n`;

/** A hook that holds nothing but the guard. */
export const newHook = (hook: Hook, program: Program): string => ownHook(guardLines(hook, program));

/**
 * A hook that runs the guard and then another program, kept beside it under the same name in `folder`; git would not run
 * one that is not executable either.
 */
export const chainingHook = (hook: Hook, program: Program, folder: string): string =>
  ownHook(`${guardLines(hook, program)}gridpost_next="$(dirname "$0")/${folder}/${hook}"
if [ -x "$gridpost_next" ]; then exec "$gridpost_next" "$@"; fi
`);

export const hasGuard = (text: string): boolean => text.includes(BEGIN);

/** Whether the guard's lines can stand in front of a hook's own. Git runs a text without a first line for it by sh. */
export const isShell = (text: string): boolean =>
  text.startsWith("#!")
    ? /^#!.*\b(?:sh|bash|dash|ksh|zsh)\b.*\n/.test(text)
    : text !== "" && !text.includes("\0");

/** Puts the guard's lines behind the first line of a shell hook. */
export function addGuard(text: string, block: string): string {
  if (!text.startsWith("#!"))
    return `#!/bin/sh\n${block.replace(BEGIN, BEGIN + WITH_FIRST_LINE)}${text}`;
  const end = text.indexOf("\n") + 1;
  return text.slice(0, end) + block + text.slice(end);
}

/** Takes the guard's lines out again; the empty text if nothing else was there. */
export function removeGuard(text: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end === -1) return text;
  const withFirst = text.startsWith(WITH_FIRST_LINE, begin + BEGIN.length);
  return (withFirst ? "" : text.slice(0, begin)) + text.slice(end + END.length + 1);
}
