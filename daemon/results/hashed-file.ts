import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** A file as it was when its hash was taken. */
interface HashedFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

/** Reads a regular file whole. Undefined when it is gone, unreadable, a link, or no longer what its hash was taken of. */
export async function readHashed({ path, sha256, size }: HashedFile): Promise<Buffer | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size !== size) return undefined;
    const bytes = await file.readFile();
    const now = createHash("sha256").update(bytes).digest("hex");
    return now === sha256 ? bytes : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
