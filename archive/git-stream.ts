import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { ProblemError } from "../contract/problem.ts";

const MAX_STDERR = 4_000;

/** Git may be told on a machine to touch no repository without a working tree: those of an archive have none. */
export const BARE = "safe.bareRepository=all";

/** A Git that works where it is started: a hook of Git, which may surround us, names another repository. */
export const HERE = ["-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "git", "-c", BARE];

/** Starts a Git command in a repository. */
export const spawnGit = (folder: string, args: readonly string[]): ChildProcessWithoutNullStreams =>
  spawn("env", [...HERE, ...args], { cwd: folder });

/**
 * The output of a Git command in pieces that end with a separator, which they do not hold.
 * @throws ProblemError INTERNAL with Git's own words when it fails
 */
export async function* gitPieces(
  folder: string,
  args: readonly string[],
  separator: string,
): AsyncGenerator<string> {
  const child = spawnGit(folder, args);
  child.stdin.end();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      stderr = error.message;
      resolve(null);
    });
    child.once("close", resolve);
  });
  let rest = "";
  try {
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      const pieces = (rest + String(chunk)).split(separator);
      rest = pieces.pop() ?? "";
      yield* pieces;
    }
    if (rest !== "") yield rest;
    const code = await ended;
    if (code !== 0) throw gitFailed(stderr.trim() || `git ended with ${code}`);
  } finally {
    child.kill();
    await ended;
  }
}

export const gitFailed = (message: string): ProblemError =>
  new ProblemError("INTERNAL", `git: ${message}`, { next: "git fsck --full tells more" });
