import { rename } from "node:fs/promises";
import { join } from "node:path";
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
 * by stays. Only for an execution that has ended: nobody may write there any more.
 */
export async function layBy(
  folder: AttemptFolder,
  { n, repeat }: Place,
  files: readonly KeptFile[],
): Promise<void> {
  for (const { name, path } of files) {
    const source = join(folder.out(n), name.slice(`repeat-${repeat}/`.length));
    await rename(source, path).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    });
  }
  await folder.removeOut(n);
}
