import { homedir } from "node:os";
import { join } from "node:path";
import type { Answer } from "./api.ts";

/** The flags of `gridpost server`. */
export interface ServerFlags {
  readonly data: string;
  readonly listen?: string | undefined;
  /** `a.b=c`, repeated. */
  readonly set?: readonly string[] | undefined;
  readonly newAdminJoin?: boolean | undefined;
}

/** The flags of `gridpost daemon`. */
export interface DaemonFlags {
  readonly url: string;
  readonly tokenFile?: string;
  readonly name: string;
  readonly data: string;
  readonly allowProcess?: boolean;
  readonly slots?: number;
  readonly labels?: Record<string, string>;
  readonly simulateGpus?: string;
  readonly mountRoots?: string[];
  readonly insecure?: boolean;
}

/** What `gridpost archive restore` has made. */
export interface Restored {
  readonly data: string;
  /** The commit of the journal that it was rebuilt from. */
  readonly commit: string;
  readonly lastSeq: number;
  readonly epoch: number;
  /** Files that the journal speaks of and that must be copied from the old `blobs` folder. */
  readonly missingBlobs: readonly { readonly sha256: string; readonly size: number }[];
}

/** What the process hands to the command line: nothing below reads the environment or starts a service itself. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The script of the `gridpost` command, to start it again as a child. */
  readonly entry: string;
  /** Each resolves when the service has stopped. */
  readonly runServer: (flags: ServerFlags) => Promise<void>;
  readonly runDaemon: (flags: DaemonFlags) => Promise<void>;
  /** Rebuilds a data folder from a URL or folder that Git can clone. */
  readonly restoreServer: (source: string, data: string) => Promise<Restored>;
  /** Checks a clone of a repository of the archive; `since` is a head that was kept. */
  readonly verifyClone: (
    folder: string,
    since: string | undefined,
  ) => Promise<Answer<"POST /v1/archive/verify">>;
  /** Locks a file until it is closed or the process ends, however it ends; CONFLICT while another process has it. */
  readonly lockFile: (file: string) => Promise<{ close(): void }>;
}

/** A variable; an empty one counts as not set. */
export function variable(environment: Environment, name: string): string | undefined {
  const value = environment.variables[name];
  return value === "" ? undefined : value;
}

/** The folder of keys and tokens. */
export const homeOf = (environment: Environment): string =>
  variable(environment, "GRIDPOST_HOME") ?? join(homedir(), ".config", "gridpost");
