import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { Sha256 } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { BlobRef, Blobs } from "./blobs.ts";

/**
 * Opens the blob store in a folder (`<data>/blobs`), one file per content: `ab/cd/<sha256>`. One process owns the
 * folder: files that an earlier one left unfinished are removed.
 */
export async function openFsBlobs(folder: string): Promise<Blobs> {
  const unfinished = join(folder, "tmp");
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const pathOf = (sha256: string): string => {
    const hash = parseHash(sha256);
    return join(folder, hash.slice(0, 2), hash.slice(2, 4), hash);
  };
  return {
    put: async (content, maxBytes) => {
      const temporary = join(unfinished, randomUUID());
      try {
        const ref = await write(temporary, content, maxBytes);
        const path = pathOf(ref.sha256);
        // Of a copy that was not carried to its end the file may be there in part.
        if ((await sizeOf(path)) !== ref.size) await publish(temporary, path);
        return ref;
      } catch (error) {
        throw diskError(error, folder);
      } finally {
        await rm(temporary, { force: true });
      }
    },
    get: async (sha256, size) => {
      const file = await open(pathOf(sha256)).catch((error: unknown) => {
        throw isMissing(error) ? notFound(sha256) : diskError(error, folder);
      });
      const { size: found } = await file.stat();
      if (size === undefined || found === size) return file.createReadStream();
      await file.close();
      throw cutOff(sha256, { found, size });
    },
    has: async (sha256) => (await sizeOf(pathOf(sha256))) !== undefined,
    delete: async (sha256) => rm(pathOf(sha256), { force: true }),
  };
}

async function write(
  path: string,
  content: Readable | Uint8Array,
  maxBytes: number,
): Promise<BlobRef> {
  const hash = createHash("sha256");
  let size = 0;
  const file = await open(path, "wx", 0o600);
  try {
    const chunks = content instanceof Uint8Array ? [content] : content;
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { sha256: hash.digest("hex"), size };
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.length) offset += (await file.write(chunk, offset)).bytesWritten;
}

/** A rename is durable only when the folders that changed are synced too. */
async function publish(temporary: string, path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await rename(temporary, path);
  for (const one of [folder, dirname(folder), dirname(dirname(folder))]) await syncFolder(one);
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** undefined if there is no such file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";
const isMissing = (error: unknown): boolean => codeOf(error) === "ENOENT";

function parseHash(sha256: string): string {
  const parsed = Sha256.safeParse(sha256);
  if (parsed.success) return parsed.data;
  throw new ProblemError("BAD_REQUEST", `${JSON.stringify(sha256)} is not a SHA-256`, {
    next: "give 64 lower-case hexadecimal digits",
  });
}

const notFound = (sha256: string): ProblemError =>
  new ProblemError("NOT_FOUND", `no blob ${sha256}`, { next: "upload it again" });

const cutOff = (sha256: string, { found, size }: { found: number; size: number }): ProblemError =>
  new ProblemError("NOT_FOUND", `of the blob ${sha256} ${found} of ${size} bytes are there`, {
    next: "upload it again, or copy it from a backup",
  });

const tooLarge = (maxBytes: number): ProblemError =>
  new ProblemError("PAYLOAD_TOO_LARGE", `the content has more than ${maxBytes} bytes`, {
    details: [{ maxBytes }],
    next: "send a smaller file, or split it",
  });

const DISK: Readonly<Record<string, string>> = {
  ENOSPC: "free space on the disk that holds the data folder, then repeat the call",
  EDQUOT: "raise the quota of the server's user, then repeat the call",
  EACCES: "make the data folder writable for the server's user",
  EROFS: "remount the data folder's disk writable",
  EIO: "check the disk and the kernel log",
};

function diskError(error: unknown, folder: string): unknown {
  const next = DISK[codeOf(error)];
  if (next === undefined) return error;
  return new ProblemError(
    "UNAVAILABLE",
    `the blob store ${folder} failed: ${(error as Error).message}`,
    {
      next,
      cause: error,
    },
  );
}
