import { access, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type SimpleGit, simpleGit } from "simple-git";
import { readSeal, type Seal } from "./commit.ts";
import { BRANCH } from "./fast-import.ts";

/** The newest commit of a repository. */
export interface Tip {
  readonly commit: string;
  /** undefined: the archive did not make it. */
  readonly seal: Seal | undefined;
}

export const gitIn = (folder: string, abort?: AbortSignal): SimpleGit =>
  simpleGit({ baseDir: folder, ...(abort === undefined ? {} : { abort }) });

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

/** The newest commit of the branch; null before the first. */
export async function readTip(gitDir: string): Promise<Tip | null> {
  const format = "--format=%(objectname)%00%(contents)";
  const answer = await gitIn(gitDir).raw(["for-each-ref", format, BRANCH]);
  const [commit, message = ""] = answer.split("\0");
  if (commit === undefined || message === "") return null;
  return { commit: commit.trim(), seal: readSeal(message) };
}

const STALE_PACK = /^(?:tmp_|\.tmp-)|\.keep$/;
const STALE_TOP = /^fast_import_crash_|^packed-refs\.lock$/;

/** Removes what a killed Git leaves behind. Only for the single writer, while it runs no Git in the repository. */
export async function sweepLeftovers(gitDir: string): Promise<void> {
  await removeMatching(join(gitDir, "objects/pack"), STALE_PACK);
  await removeMatching(join(gitDir, "refs/heads"), /\.lock$/);
  await removeMatching(gitDir, STALE_TOP);
}

async function removeMatching(folder: string, pattern: RegExp): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const stale = names.filter((name) => pattern.test(name));
  await Promise.all(stale.map((name) => rm(join(folder, name), { force: true, recursive: true })));
}

/** Merges small packs so that each remaining one holds at least twice the objects of the next smaller. */
export async function repack(gitDir: string, abort: AbortSignal): Promise<void> {
  // One thread: the writer and the server need the others.
  const args = [
    "-c",
    "pack.threads=1",
    "repack",
    "-d",
    "-q",
    "--geometric=2",
    "--no-write-bitmap-index",
  ];
  await gitIn(gitDir, abort).raw(args);
}
