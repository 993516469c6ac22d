import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ProblemError } from "../contract/problem-error.ts";

/**
 * Makes a folder and those above it, for their owner alone unless `mode` says otherwise; one that exists stays as it is.
 * @throws ProblemError BAD_REQUEST for what cannot be made
 */
export async function makeFolders(path: string, mode = 0o700): Promise<void> {
  try {
    await makeOneByOne(resolve(path), mode);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError("BAD_REQUEST", `the folder ${path} cannot be made: ${reason}`, {
      next: "choose another folder, or give your user the right to write there",
      cause: error,
    });
  }
}

/** Node's own recursive mkdir never ends where the system makes no folders, as in /proc. */
async function makeOneByOne(path: string, mode: number): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await isFolder(at)); at = dirname(at)) missing.unshift(at);
  for (const folder of missing) {
    await mkdir(folder, { mode }).catch(async (error: unknown) => {
      // Another process may have made it just now.
      if (!(await isFolder(folder))) throw error;
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
  throw new Error(`${path} is no folder`);
}
