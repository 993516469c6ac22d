import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";

/** Largest file and largest sum that become evidence; the server takes no larger ones. */
const MOST_BYTES = 64 * 1_048_576;
const MOST_FILES = 16;
const DEEPEST = 8;
/** In characters, so that it still fits with the number of its repeat in front. */
const LONGEST_NAME = 240;

export interface Collected {
  readonly files: readonly OutFile[];
  /** What was left out, and why, one line each. */
  readonly leftOut: readonly string[];
}

/** A regular file that a command left in its folder for results. */
export interface OutFile {
  /** Relative to the folder. */
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/**
 * The regular files of a folder whose owner has ended. Links are not followed, devices and sockets not opened.
 * @param declared the file that holds the values: no other takes its room
 */
export async function collect(folder: string, declared?: string): Promise<Collected> {
  const files: OutFile[] = [];
  const leftOut: string[] = [];
  const root = await realpath(folder).catch(() => folder);
  let bytes = 0;
  const names = await regularFiles(root, "", DEEPEST);
  for (const name of names.toSorted((a, b) => Number(b === declared) - Number(a === declared))) {
    // Known before it is read: what cannot be kept may be thousands of large files.
    if (files.length === MOST_FILES) {
      leftOut.push(`${name}: more than ${MOST_FILES} files`);
      continue;
    }
    const file =
      name.length > LONGEST_NAME
        ? `its name is longer than ${LONGEST_NAME} characters`
        : await readFile(root, name, MOST_BYTES - bytes);
    if (typeof file === "string") leftOut.push(`${name}: ${file}`);
    else {
      files.push(file);
      bytes += file.size;
    }
  }
  return { files, leftOut };
}

async function regularFiles(root: string, under: string, depth: number): Promise<string[]> {
  // A folder that its owner has closed to us holds no results.
  const entries = await readdir(join(root, under), { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = under === "" ? entry.name : `${under}/${entry.name}`;
    if (entry.isFile()) found.push(name);
    else if (entry.isDirectory() && depth > 0)
      found.push(...(await regularFiles(root, name, depth - 1)));
  }
  return found;
}

async function readFile(root: string, name: string, room: number): Promise<OutFile | string> {
  const path = join(root, name);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: unknown) => String(error));
  if (typeof file === "string") return file;
  try {
    // A process that was left behind may have put a link in the place of a folder since it was listed.
    const opened = await readlink(`/proc/self/fd/${file.fd}`).catch(() => path);
    if (opened !== path) return "it was moved while it was read";
    const stat = await file.stat();
    if (!stat.isFile() || stat.nlink !== 1) return "not a regular file of its own";
    if (stat.size > room) return `${stat.size} bytes are more than may be kept`;
    const hash = createHash("sha256");
    for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk);
    return { name, path, sha256: hash.digest("hex"), size: stat.size, modifiedMs: stat.mtimeMs };
  } finally {
    await file.close();
  }
}
