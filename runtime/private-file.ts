import { randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ProblemError } from "../contract/problem-error.ts";
import { makeFolders } from "./folders.ts";

/** Writes a file that only its owner may read (0600), whole or not at all, durable when the promise resolves. */
export const writePrivate = (path: string, text: string): Promise<void> =>
  throughTemporary(path, text, (temporary) => rename(temporary, path));

/** Writes such a file unless there is one: of several at the same time one wins. @returns whether this call did */
export async function createPrivate(path: string, text: string): Promise<boolean> {
  try {
    await throughTemporary(path, text, async (temporary) => {
      await link(temporary, path);
      await rm(temporary);
    });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

async function throughTemporary(
  path: string,
  text: string,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  await makeFolders(dirname(path));
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(temporary);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Reads a file that holds a secret; undefined if there is none.
 * @throws ProblemError BAD_REQUEST when others may read it, or this user may not
 */
export async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new ProblemError("BAD_REQUEST", `others can read the secret in ${path}`, {
        next: `chmod 600 ${path}`,
      });
    }
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError("BAD_REQUEST", `${path} cannot be read: ${reason}`, {
      next: "give your user the right to read it, or choose another folder: GRIDPOST_HOME for credentials, --data for a server or daemon",
      cause: error,
    });
  }
}
