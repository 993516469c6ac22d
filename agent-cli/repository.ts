import { basename, dirname } from "node:path";
import { gitLine } from "./git.ts";

/** The key of the repository's configuration that keeps the name that the guard was told. */
export const REPO_KEY = "gridpost.guardRepo";

/**
 * The name under which leases know the repository of the working directory: the one that its guard was told, else of a bare
 * one that of its folder, else the last part of the `origin` URL, else the name of the folder of its (first) work tree, else
 * `default`.
 */
export async function repositoryName(): Promise<string> {
  const kept = await gitLine("config", "--get", REPO_KEY);
  if (kept !== undefined) return kept;
  const [bare, common] = await barenessAndFolder();
  // A bare one may itself be a clone, but its own clones name it in their `origin`.
  if (bare === "true" && common !== undefined) return basename(common, ".git");
  const origin = await gitLine("config", "--get", "remote.origin.url");
  const name = origin === undefined ? undefined : nameInUrl(origin);
  if (name !== undefined) return name;
  if (common !== undefined && basename(common) === ".git") return basename(dirname(common));
  const folder = await gitLine("rev-parse", "--show-toplevel");
  return folder === undefined ? "default" : basename(folder);
}

async function barenessAndFolder(): Promise<string[]> {
  const asked = ["--is-bare-repository", "--path-format=absolute", "--git-common-dir"];
  return (await gitLine("rev-parse", ...asked))?.split("\n") ?? [];
}

/** `git@host:team/attention.git` and `https://host/team/attention` are both `attention`. */
function nameInUrl(url: string): string | undefined {
  return /([^/:]+?)(?:\.git)?\/*$/.exec(url)?.[1];
}
