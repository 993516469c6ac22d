import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FaultFound } from "./fault.ts";
import { gitIn } from "./git.ts";

/** A clone with a working tree must hold what was committed. @throws FaultFound with the first file and line that differ */
export async function refuseDirtyTree(folder: string): Promise<void> {
  const git = gitIn(folder);
  if ((await git.raw(["rev-parse", "--is-bare-repository"])).trim() === "true") return;
  const top = (await git.raw(["rev-parse", "--show-toplevel"])).trim();
  const names = await gitIn(top).raw(["diff", "--name-only", "-z", "HEAD", "--"]);
  const [file] = names.split("\0").filter(Boolean);
  if (file === undefined) return;
  const committed = await gitIn(top)
    .raw(["show", `HEAD:${file}`])
    .catch(() => null);
  const now = await readFile(join(top, file), "utf8").catch(() => null);
  if (now === null) throw new FaultFound("the file was removed", { file });
  if (committed === null) throw new FaultFound("the file is not part of the archive", { file });
  throw new FaultFound("the line was changed", { file, line: firstDifference(committed, now) });
}

/** The first line, from 1, in which two texts differ. */
export function firstDifference(a: string, b: string): number {
  const left = a.split("\n");
  const right = b.split("\n");
  const at = left.findIndex((line, i) => line !== right[i]);
  return (at < 0 ? left.length : at) + 1;
}
