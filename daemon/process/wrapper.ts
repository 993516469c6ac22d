import { shellWord } from "../../contract/shell-word.ts";

/**
 * What stands between the daemon and the process of an execution, so that the process outlives the daemon and leaves its
 * exit code behind. `$1` is the folder of the execution; the rest is the command. Built-ins of the shell only: it runs
 * with the daemon's rights, and nothing of the cell's environment may reach it.
 */
export const WRAPPER = `
dir=$1
shift
trap : HUP INT TERM
read -r stat </proc/$$/stat
[ -s "$dir/wrapper" ] || echo "$stat" >"$dir/wrapper"
"$@" </dev/null >>"$dir/log" 2>&1 &
child=$!
echo "$child" >"$dir/pid"
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
read -r uptime idle </proc/uptime
read -r boot </proc/sys/kernel/random/boot_id
echo "$uptime $boot" >"$dir/ended"
echo "$code" >"$dir/exit"
`;

/** The script that becomes the command, in the cell's environment: read, so that no value shows in a process list. */
export function runScript(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  folder: string,
): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${shellWord(value)}`);
  return [
    `cd ${shellWord(folder)} || exit 126`,
    ...exports,
    `exec ${command.map(shellWord).join(" ")}`,
    "",
  ].join("\n");
}
