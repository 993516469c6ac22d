import { execFile } from "node:child_process";
import { access, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type SimpleGit, simpleGit } from "simple-git";
import { readSeal, type Seal } from "./commit.ts";
import { BRANCH } from "./fast-import.ts";
import { BARE, HERE } from "./git-stream.ts";

/** The newest commit of a repository. */
export interface Tip {
  readonly commit: string;
  /** undefined: the archive did not make it. */
  readonly seal: Seal | undefined;
}

export const gitIn = (folder: string): SimpleGit => simpleGit({ baseDir: folder, config: [BARE] });

/** Makes a bare repository, or makes one whole that was begun, unless it has a commit. */
export async function ensureRepository(gitDir: string): Promise<void> {
  // Git would write its configuration again, which a full disk refuses with words of its own.
  if (await exists(join(gitDir, BRANCH))) return;
  await mkdir(gitDir, { recursive: true });
  await gitIn(gitDir).raw(["init", "--quiet", "--bare", "--initial-branch=main", "."]);
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The id of the newest commit of the branch, without asking Git; empty before the first. */
export const readBranch = async (gitDir: string): Promise<string> =>
  (await readFile(join(gitDir, BRANCH), "utf8").catch(() => "")).trim();

/** The newest commit of the branch; null before the first. */
export async function readTip(gitDir: string): Promise<Tip | null> {
  const format = "--format=%(objectname)%00%(contents)";
  const answer = await gitIn(gitDir).raw(["for-each-ref", format, BRANCH]);
  const [commit, message = ""] = answer.split("\0");
  if (commit === undefined || message === "") return null;
  return { commit: commit.trim(), seal: readSeal(message) };
}

const UNFINISHED_PACK = /^(?:tmp_|\.tmp-)/;
const STALE_TOP = /^fast_import_crash_|\.lock$/;

/** What was written to just now may be of a Git that outlived a killed server: what it merges need not be merged again. */
const ABANDONED_MS = 5_000;

/**
 * Removes what a killed Git leaves behind. Only for the single writer, while nothing but a repack runs in the repository:
 * that holds no lock, and its files are new.
 */
export async function sweepLeftovers(gitDir: string): Promise<void> {
  await removeMatching(join(gitDir, "objects/pack"), /\.keep$/);
  await removeMatching(join(gitDir, "objects/pack"), UNFINISHED_PACK, ABANDONED_MS);
  await removeMatching(join(gitDir, "refs/heads"), /\.lock$/);
  await removeMatching(gitDir, STALE_TOP);
}

async function removeMatching(folder: string, pattern: RegExp, minAgeMs = 0): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const paths = names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
  await Promise.all(
    paths.map(async (path) => {
      if (minAgeMs > 0 && (await ageOf(path)) < minAgeMs) return;
      await rm(path, { force: true, recursive: true });
    }),
  );
}

/** Milliseconds since a file was last written; 0 when it is gone. */
const ageOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );

export async function countPacks(gitDir: string): Promise<number> {
  const names = await readdir(join(gitDir, "objects/pack")).catch(() => []);
  return names.filter((name) => name.endsWith(".pack")).length;
}

/**
 * Merges small packs so that each remaining one holds at least twice the objects of the next smaller. Everything else
 * goes before it.
 */
export async function repack(gitDir: string, signal: AbortSignal): Promise<void> {
  // One thread: the writer and the server need the others.
  const args = [
    ...HERE,
    "-c",
    "pack.threads=1",
    "repack",
    "-d",
    "-q",
    "--geometric=2",
    "--no-write-bitmap-index",
  ];
  const running = promisify(execFile)("env", args, { cwd: gitDir, signal });
  const { pid } = running.child;
  if (pid !== undefined) yieldToOthers(pid);
  await running;
}

function yieldToOthers(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already.
  }
}
