import { statfs } from "node:fs/promises";

/** No work is taken with less room than this, bytes. */
const CLAIM_FLOOR = 256 * 1_048_576;
/** What runs is stopped below this: the rest is for its log and its result. */
const RUN_FLOOR = 64 * 1_048_576;

/** Free bytes of the file system that holds a folder. */
export type FreeBytes = (folder: string) => Promise<number>;

const freeBytes: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** The room where this daemon and its attempts write. */
export class Disk {
  /** Why no work can be taken, in one line; null while there is room. */
  problem: string | null = null;
  /** Why what runs must end; null while there is room. */
  exhausted: string | null = null;
  private readonly folders: readonly string[];
  private readonly free: FreeBytes;

  constructor(folders: readonly string[], free: FreeBytes = freeBytes) {
    this.folders = [...new Set(folders)];
    this.free = free;
  }

  /** Never throws: what cannot be asked is no reason to end what runs. */
  async look(): Promise<void> {
    const rooms = [];
    for (const folder of this.folders) {
      try {
        rooms.push({ folder, bytes: await this.free(folder) });
      } catch (error) {
        this.problem = `cannot look at the disk of ${folder}: ${String(error)}`;
        return;
      }
    }
    const { folder, bytes } = rooms.reduce((a, b) => (b.bytes < a.bytes ? b : a));
    const message = `only ${Math.floor(bytes / 1_048_576)} MiB are free on the disk of ${folder}`;
    this.problem =
      bytes < CLAIM_FLOOR ? `${message}: free ${CLAIM_FLOOR / 1_048_576} MiB there` : null;
    this.exhausted = bytes < RUN_FLOOR ? message : null;
  }
}
