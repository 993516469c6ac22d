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

/** The command as this installation runs it, with `gridpost` of the PATH as the second choice. */
export interface Program {
  readonly node: string;
  readonly entry: string;
}

/** Hooks that git feeds by stdin; what comes after the guard needs it again. */
const FED: ReadonlySet<Hook> = new Set(["pre-push", "pre-receive"]);

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The lines that the guard adds to a shell hook. They come first and leave arguments and stdin as they were. */
export function guardBlock(hook: Hook, { node, entry }: Program): string {
  const [program, script] = [quoted(node), quoted(entry)];
  const run = `gridpost_guard ${hook} "$@"`;
  const call = FED.has(hook)
    ? `gridpost_refs=$(cat)
printf '%s\\n' "$gridpost_refs" | ${run} || exit 1
exec <<GRIDPOST_REFS
$gridpost_refs
GRIDPOST_REFS`
    : `${run} </dev/null || exit 1`;
  return `${BEGIN}
# Added by "gridpost guard install", removed by "gridpost guard uninstall".
gridpost_guard() {
  if [ -x ${program} ] && [ -f ${script} ]; then ${program} ${script} guard hook "$@"; return; fi
  if command -v gridpost >/dev/null 2>&1; then gridpost guard hook "$@"; return; fi
  gridpost_policy=$(git config --get ${policyKey(hook)} || echo ${DEFAULT_POLICY[hook]})
  echo "gridpost guard: gridpost is not installed here, so nothing was checked (policy: $gridpost_policy)" >&2
  [ "$gridpost_policy" = open ]
}
${call}
${END}
`;
}

/** A hook that holds nothing but the guard. */
export const newHook = (hook: Hook, program: Program): string =>
  `#!/bin/sh\n${guardBlock(hook, program)}`;

/** A hook that runs the guard and then another program, kept beside it under the same name in `folder`. */
export const chainingHook = (hook: Hook, program: Program, folder: string): string =>
  `${newHook(hook, program)}exec "$(dirname "$0")/${folder}/${hook}" "$@"\n`;

export const hasGuard = (text: string): boolean => text.includes(BEGIN);

/** Whether the guard's lines can stand in front of a hook's own. */
export const isShell = (text: string): boolean =>
  !text.startsWith("#!") || /^#!.*\b(?:sh|bash|dash|ksh|zsh)\b/.test(text.split("\n", 1)[0] ?? "");

/** Puts the guard's lines behind the first line of a shell hook. */
export function addGuard(text: string, block: string): string {
  if (!text.startsWith("#!")) return `#!/bin/sh\n${block}${text}`;
  const end = text.indexOf("\n");
  return end === -1 ? `${text}\n${block}` : text.slice(0, end + 1) + block + text.slice(end + 1);
}

/** Takes the guard's lines out again; the empty text if nothing else was there. */
export function removeGuard(text: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 || end === -1) return text;
  const rest = text.slice(0, begin) + text.slice(end + END.length + 1);
  return rest.trim() === "#!/bin/sh" ? "" : rest;
}
