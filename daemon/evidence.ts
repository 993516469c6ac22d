import { constants } from "node:fs";
import { lstat, open, realpath, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { AttemptFolder } from "./attempt-folder.ts";
import type { OutFile } from "./results/collect.ts";
import type { KeptFile } from "./spool-rows.ts";

/** The server takes 64 files of evidence for one attempt; two are its log and its configuration. */
const MOST_FILES = 62;
/** How much an attempt may lay by for the server, bytes: as many repeats as one likes fill no disk. */
const MOST_BYTES = 256 * 1_048_576;

/** An execution's place in its attempt. */
interface Place {
  readonly n: number;
  readonly repeat: number;
}

export interface Choice {
  /** Files of the executions before this one. */
  readonly earlier: readonly KeptFile[];
  readonly step: Place;
  readonly folder: Pick<AttemptFolder, "path">;
}

/** Which of an execution's files become evidence: the first ones, as far as the attempt has room for them. */
export function choose(files: readonly OutFile[], { earlier, step, folder }: Choice): KeptFile[] {
  let bytes = earlier.reduce((sum, { size }) => sum + size, 0);
  const chosen: KeptFile[] = [];
  for (const { name, sha256, size } of files) {
    if (earlier.length + chosen.length === MOST_FILES || bytes + size > MOST_BYTES) continue;
    bytes += size;
    const path = join(folder.path, `kept-${step.n}-${chosen.length + 1}`);
    chosen.push({ name: `repeat-${step.repeat}/${name}`, path, sha256, size });
  }
  return chosen;
}

/**
 * Lays the chosen files by and removes whatever else is in the folder for results. May be repeated: a file that is laid
 * by stays. Only for an execution that has ended: nobody should write there any more, and who does gains nothing.
 */
export async function layBy(
  folder: AttemptFolder,
  { n, repeat }: Place,
  files: readonly KeptFile[],
): Promise<void> {
  const out = folder.out(n);
  for (const { name, path } of files) {
    await take(out, name.slice(`repeat-${repeat}/`.length), path).catch((error: unknown) => {
      if (!isSwapped(error)) throw error;
    });
  }
  await folder.removeOut(n);
}

/** Moves a regular file of `out` and none that a link leads to: its folder is held open, so that nobody can swap it. */
async function take(out: string, name: string, path: string): Promise<void> {
  const folder = dirname(join(out, name));
  const held = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const at = process.platform === "linux" ? `/proc/self/fd/${held.fd}` : folder;
    if ((await realpath(at)) !== join(await realpath(out), dirname(name))) return;
    const source = join(at, basename(name));
    if ((await lstat(source)).isFile()) await rename(source, path);
  } finally {
    await held.close();
  }
}

/** It was moved before, or something else is in its place. */
const isSwapped = (error: unknown): boolean =>
  error instanceof Error && "code" in error && /^(ENOENT|ENOTDIR|ELOOP)$/.test(String(error.code));
