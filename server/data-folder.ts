import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { ProblemError } from "../contract/problem.ts";
import { makeFolders } from "../runtime/folders.ts";
import { openLocalFile } from "../storage/local-file.ts";

/** A data folder that this process alone uses. */
export interface DataFolder {
  readonly path: string;
  readonly database: string;
  readonly blobs: string;
  /** Lets another process have it. */
  release(): void;
}

export const databaseFile = (data: string): string => join(data, "gridpost.db");

/** The folder of the Git repositories. */
export const archiveFolder = (data: string): string => join(data, "archive");

/**
 * Makes the folder if needed and takes its lock, which ends with the process, however it ends.
 * @throws ProblemError UNAVAILABLE if it cannot be used, CONFLICT if another server does
 */
export async function takeDataFolder(path: string): Promise<DataFolder> {
  try {
    await makeFolders(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProblemError("UNAVAILABLE", `the data folder ${path} cannot be used: ${reason}`, {
      next: "choose another folder with --data, or make this one writable for the server's user",
      cause: error,
    });
  }
  const lock = takeLock(path);
  return {
    path,
    database: databaseFile(path),
    blobs: join(path, "blobs"),
    release: () => lock.close(),
  };
}

function takeLock(path: string): { close(): void } {
  try {
    return openLocalFile(join(path, "server.lock"));
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw new ProblemError("CONFLICT", `another gridpost server runs on the data folder ${path}`, {
      next: "stop it, or choose another folder with --data",
      cause: error,
    });
  }
}
