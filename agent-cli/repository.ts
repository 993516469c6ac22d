import { execFile } from "node:child_process";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";

/** The key of the repository's configuration that keeps the name that the guard was told. */
export const REPO_KEY = "gridpost.guardRepo";

/**
 * The name under which leases know the repository of the working directory: the one that its guard was told, else the
 * last part of the `origin` URL, else the name of the folder of its (first) work tree, else `default`.
 */
export async function repositoryName(): Promise<string> {
  const kept = await git("config", "--get", REPO_KEY);
  if (kept !== undefined) return kept;
  const origin = await git("config", "--get", "remote.origin.url");
  const name = origin === undefined ? undefined : nameInUrl(origin);
  if (name !== undefined) return name;
  const common = await git("rev-parse", "--path-format=absolute", "--git-common-dir");
  if (common !== undefined && basename(common) === ".git") return basename(dirname(common));
  const folder = await git("rev-parse", "--show-toplevel");
  return folder === undefined ? "default" : basename(folder);
}

/** `git@host:team/attention.git` and `https://host/team/attention` are both `attention`. */
function nameInUrl(url: string): string | undefined {
  return /([^/:]+?)(?:\.git)?\/*$/.exec(url)?.[1];
}

/** What a git command prints; undefined when it fails, outside of a repository for one. */
async function git(...args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("git", args);
    return stdout.trim() === "" ? undefined : stdout.trim();
  } catch {
    return undefined;
  }
}
