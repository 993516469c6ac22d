import { chmod, chown, lstat, mkdir, open, rename, rm, rmdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProblemError } from "../contract/problem.ts";
import type { Launcher } from "./launcher.ts";
import { UNPRIVILEGED_ID } from "./process/limits.ts";

/** The user of containers when the daemon is root; otherwise they run as the daemon's own user. */
const CONTAINER_ID = 65_532;

const isRoot = (): boolean => process.getuid?.() === 0;

/** `uid:gid` of the processes in containers. */
export const containerUser = (): string =>
  isRoot()
    ? `${CONTAINER_ID}:${CONTAINER_ID}`
    : `${process.getuid?.() ?? CONTAINER_ID}:${process.getgid?.() ?? CONTAINER_ID}`;

/** Where attempts of each runtime keep their files. */
export interface WorkRoots {
  readonly docker: string;
  readonly process: string;
}

/**
 * Containers get their folders mounted, so these lie in the daemon's private folder. A process of another user must be
 * able to walk to them, which it cannot where some parent is private: with a daemon that is root they lie in the
 * system's temporary folder that survives a reboot.
 * @throws ProblemError CONFLICT if somebody else has put something there
 */
export async function makeWorkRoots(data: string, installId: string): Promise<WorkRoots> {
  const docker = join(data, "work");
  await mkdir(docker, { recursive: true, mode: 0o700 });
  if (!isRoot()) return { docker, process: docker };
  const shared = join(tmpdir() === "/tmp" ? "/var/tmp" : tmpdir(), `gridpost-${installId}`);
  await mkdir(shared, { recursive: true });
  // Everybody may write in the folder above: a link there would open some other folder of ours.
  const found = await lstat(shared);
  if (found.uid !== 0 || !found.isDirectory())
    throw new ProblemError("CONFLICT", `${shared} is not a folder of this daemon`, {
      next: "remove it; somebody else on this machine has put it there",
    });
  await chmod(shared, 0o711);
  return { docker, process: shared };
}

/** Takes away what is empty of the folders outside of the daemon's own. */
export async function leaveWorkRoots(roots: WorkRoots): Promise<void> {
  if (roots.process === roots.docker) return;
  for (const folder of [processesIn(roots), roots.process])
    await rmdir(folder).catch(() => undefined);
}

/** Where the process launcher keeps its executions. */
export const processesIn = (roots: WorkRoots): string => join(roots.process, "processes");

/** The files of one attempt on this node. */
export class AttemptFolder {
  readonly path: string;
  private readonly runtime: Launcher["runtime"];

  constructor(roots: WorkRoots, runtime: Launcher["runtime"], attempt: string) {
    this.path = join(roots[runtime], attempt);
    this.runtime = runtime;
  }

  get files(): string {
    return join(this.path, "files");
  }

  out(n: number): string {
    return join(this.path, `out-${n}`);
  }

  /** Makes the folders of the attempt; what is there stays. */
  async make(): Promise<void> {
    await mkdir(this.files, { recursive: true });
    // Whatever the umask: other users walk through, and read the input files.
    await chmod(this.path, 0o711);
    await chmod(this.files, 0o755);
  }

  /** Makes the folder for the results of one execution, writable for its user. */
  async makeOut(n: number): Promise<string> {
    const out = this.out(n);
    await mkdir(out, { recursive: true });
    const id = this.runtime === "docker" ? CONTAINER_ID : UNPRIVILEGED_ID;
    if (isRoot()) await chown(out, id, id);
    return out;
  }

  async removeOut(n: number): Promise<void> {
    await rm(this.out(n), { recursive: true, force: true });
  }

  /**
   * The time now by the clock of the file system that results are written to, milliseconds; the first call for an
   * execution decides. A file that is older was not written by it.
   */
  async startMark(n: number): Promise<number> {
    const path = join(this.path, `start-${n}`);
    const file = await open(path, "a");
    await file.close();
    return (await stat(path)).mtimeMs;
  }

  /** Replaces a file, whole or not at all, and has it on disk when it returns. */
  async keep(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    const file = await open(`${path}.new`, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    return path;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
