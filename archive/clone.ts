import { stat } from "node:fs/promises";
import { ProblemError } from "../contract/problem.ts";
import { simpleGit } from "simple-git";
import { credentialConfig, REACHING } from "./credentials.ts";
import { describeFault } from "../contract/fault.ts";
import { BARE } from "./git-stream.ts";
import { gitIn } from "./git.ts";
import { refuseDirtyTree } from "./verify-tree.ts";
import { FaultFound } from "./fault.ts";
import { verifyRepository } from "./verify.ts";

/** Under which name it is forgotten again, whatever the machine's settings call it. */
const REMOTE = "clone.defaultRemoteName=origin";

export interface CloneOptions {
  /** Holds what an address over HTTP takes, as `RemoteSettings` describes it. */
  readonly credentialFile?: string;
  /** Ends Git. */
  readonly signal: AbortSignal;
}

/**
 * Clones the branch of a repository into a bare one that remembers nothing of where it came from.
 * @throws ProblemError INTERNAL for a local clone that is damaged, UNAVAILABLE when Git cannot clone
 */
export async function cloneBare(
  source: string,
  gitDir: string,
  { credentialFile, signal: abort }: CloneOptions,
): Promise<void> {
  const local = await stat(source).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (local) await refuseEdited(source);
  const args = ["--bare", "--no-hardlinks", "--no-tags", "--single-branch", "--branch", "main"];
  try {
    const git = simpleGit({
      abort,
      config: [BARE, REMOTE, ...credentialConfig({ credentialFile }, source)],
      ...REACHING,
    });
    await git.clone(source, gitDir, args);
    // The address may hold a token.
    await gitIn(gitDir).raw(["remote", "remove", "origin"]);
  } catch (error) {
    if (local) await refuseDamaged(source);
    throw cannotClone(source, error);
  }
}

async function refuseEdited(source: string): Promise<void> {
  try {
    await refuseDirtyTree(source);
  } catch (error) {
    if (!(error instanceof FaultFound)) throw cannotClone(source, error);
    const empty = { repository: source, commit: null, file: null, line: null };
    throw damaged(describeFault({ ...empty, ...error.where, problem: error.message }), error);
  }
}

async function refuseDamaged(source: string): Promise<void> {
  const { fault } = await verifyRepository({ folder: source });
  if (fault !== null) throw damaged(describeFault(fault));
}

const damaged = (what: string, cause?: unknown): ProblemError =>
  new ProblemError("INTERNAL", `nothing was restored: ${what}`, {
    next: "restore from another clone",
    cause,
  });

function cannotClone(source: string, cause: unknown): ProblemError {
  const reason = cause instanceof Error ? (cause.message.trim().split("\n").at(-1) ?? "") : "";
  return new ProblemError("UNAVAILABLE", `cannot clone ${withoutPassword(source)}: ${reason}`, {
    next: "give the address or the folder of a clone of journal.git",
    cause,
  });
}

/** An address as messages may show it. */
export const withoutPassword = (url: string): string => url.replace(/^(\w+:\/\/)[^/@]*@/, "$1");
