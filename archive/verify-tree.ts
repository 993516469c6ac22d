import { hash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { BRANCH } from "./fast-import.ts";
import { FaultFound } from "./fault.ts";
import { gitIn } from "./git.ts";

/**
 * A clone with a working tree must hold what is on the archive's branch, whatever is checked out and whatever Git's index
 * says of the files. @throws FaultFound with the first file and line that differ
 */
export async function refuseDirtyTree(folder: string): Promise<void> {
  const git = gitIn(folder);
  if ((await git.raw(["rev-parse", "--is-bare-repository"])).trim() === "true") return;
  const top = (await git.raw(["rev-parse", "--show-toplevel"])).trim();
  const committed = await committedFiles(top);
  const there = await filesIn(top);
  for (const [file, id] of committed) {
    if (!there.has(file)) throw new FaultFound("the file was removed", { file });
    const bytes = await readFile(join(top, file));
    if (isSame(bytes, id)) continue;
    const before = Buffer.from(await gitIn(top).raw(["show", `${BRANCH}:${file}`]));
    const [old, now] = [before, bytes].map((one) => withPlainEnds(one).toString());
    const line = firstDifference(old ?? "", now ?? "");
    throw new FaultFound("the line was changed", { file, line });
  }
  const added = [...there].find((file) => !committed.has(file));
  if (added !== undefined)
    throw new FaultFound("the file is not part of the archive", { file: added });
}

/** The ids of the files on the branch, by path; none when there is no such branch. */
async function committedFiles(top: string): Promise<Map<string, string>> {
  const format = "--format=%(objectname) %(path)";
  const lines = await gitIn(top)
    .raw(["ls-tree", "-r", "-z", format, BRANCH])
    .catch(() => "");
  return new Map(
    lines
      .split("\0")
      .filter(Boolean)
      .map((line): [string, string] => {
        const at = line.indexOf(" ");
        return [line.slice(at + 1), line.slice(0, at)];
      }),
  );
}

async function filesIn(top: string): Promise<Set<string>> {
  const entries = await readdir(top, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => relative(top, join(parentPath, name)));
  return new Set(paths.filter((path) => path !== ".git" && !path.startsWith(".git/")));
}

const isSame = (bytes: Buffer, id: string): boolean =>
  blobId(bytes, id) === id || blobId(withPlainEnds(bytes), id) === id;

/** Git may have been told to give a working tree other line ends: that changes nothing of what is said. */
const withPlainEnds = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.toString("latin1").replaceAll("\r\n", "\n"), "latin1");

/** The id that Git gives a file (gitformat-pack(5)), by the same algorithm as another id. */
const blobId = (bytes: Buffer, like: string): string =>
  hash(
    like.length === 40 ? "sha1" : "sha256",
    Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes]),
  );

/** The first line, from 1, in which two texts differ. */
export function firstDifference(a: string, b: string): number {
  const left = a.split("\n");
  const right = b.split("\n");
  const at = left.findIndex((line, i) => line !== right[i]);
  return (at < 0 ? left.length : at) + 1;
}
