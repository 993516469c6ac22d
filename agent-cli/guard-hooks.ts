import { chmod, mkdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ProblemError } from "../contract/problem-error.ts";
import { git, gitLine } from "./guard-git.ts";
import {
  addGuard,
  chainingHook,
  guardBlock,
  hasGuard,
  type Hook,
  HOOKS,
  isShell,
  newHook,
  type Program,
  removeGuard,
} from "./guard-script.ts";

/** Where a hook that is no shell script waits to be run after the guard. */
const CHAINED = "gridpost-chained";
const EXECUTABLE = 0o755;

export interface Installed {
  readonly hook: Hook;
  readonly path: string;
  /** `created`, `added` to a shell hook, `chained` before another program, `renewed`. */
  readonly how: "created" | "added" | "chained" | "renewed";
}

/**
 * The folder that git runs hooks from: shared by all worktrees, moved by `core.hooksPath`.
 * @throws ProblemError BAD_REQUEST outside of a repository, and for a folder that all repositories of a machine share
 */
export async function hooksFolder(): Promise<string> {
  const folder = await gitLine("rev-parse", "--path-format=absolute", "--git-path", "hooks");
  if (folder === undefined)
    throw new ProblemError("BAD_REQUEST", "this is not a Git repository", {
      next: "run the command inside of the repository to guard",
    });
  const scope = await gitLine("config", "--show-scope", "--get", "core.hooksPath");
  if (scope?.startsWith("global") || scope?.startsWith("system"))
    throw new ProblemError(
      "BAD_REQUEST",
      `core.hooksPath is set for all repositories of this machine (${folder})`,
      {
        next: 'give this one its own: git config core.hooksPath "$(git rev-parse --git-dir)/hooks"',
      },
    );
  return folder;
}

export async function installHook(
  folder: string,
  hook: Hook,
  program: Program,
): Promise<Installed> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, hook);
  const before = await read(path);
  const { text, how } = await compose({ folder, hook, program, before });
  await writeFile(path, text, "latin1");
  await chmod(path, EXECUTABLE);
  return { hook, path, how };
}

interface Composing {
  readonly folder: string;
  readonly hook: Hook;
  readonly program: Program;
  readonly before: string | undefined;
}

async function compose({
  folder,
  hook,
  program,
  before,
}: Composing): Promise<{ text: string; how: Installed["how"] }> {
  if (before === undefined) return { text: newHook(hook, program), how: "created" };
  if (hasGuard(before)) {
    const bare = removeGuard(before);
    const text = bare === "" ? newHook(hook, program) : addGuard(bare, guardBlock(hook, program));
    return { text, how: "renewed" };
  }
  if (isShell(before)) return { text: addGuard(before, guardBlock(hook, program)), how: "added" };
  await mkdir(join(folder, CHAINED), { recursive: true });
  await rename(join(folder, hook), join(folder, CHAINED, hook));
  return { text: chainingHook(hook, program, CHAINED), how: "chained" };
}

/** Takes the guard out of every hook and brings back what was there before; returns the hooks that had it. */
export async function uninstallHooks(folder: string): Promise<Hook[]> {
  const removed: Hook[] = [];
  for (const hook of HOOKS) {
    const path = join(folder, hook);
    const text = await read(path);
    if (text === undefined || !hasGuard(text)) continue;
    removed.push(hook);
    const rest = removeGuard(text);
    const chained = join(folder, CHAINED, hook);
    if ((await read(chained)) !== undefined) await rename(chained, path);
    else if (rest === "") await rm(path);
    else await writeFile(path, rest, "latin1");
  }
  await rmdir(join(folder, CHAINED)).catch(() => undefined);
  return removed;
}

export const isBare = async (): Promise<boolean> =>
  (await git(["rev-parse", "--is-bare-repository"])).trim() === "true";

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch {
    return undefined;
  }
}
