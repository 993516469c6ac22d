import type { Fault } from "../contract/fault.ts";
import { gitIn } from "../archive/git.ts";
import type { VerifyAnswer } from "../archive/ports.ts";
import { verifyRepository } from "../archive/verify.ts";
import { archive } from "../contract/archive.ts";
import { ProblemError } from "../contract/problem.ts";
import { answerOf } from "./verify-archive.ts";

const empty = (repository: string): Fault => ({
  repository,
  commit: null,
  file: null,
  line: null,
  problem: "it has no commit on the branch main: it is no archive, or holds nothing yet",
});

/**
 * Checks a clone of one repository, wherever it lies.
 * @throws ProblemError BAD_REQUEST for what is no repository, or one that is no archive, or no head
 */
export async function verifyClone(
  folder: string,
  since: string | undefined,
): Promise<VerifyAnswer> {
  refuseNoHead(since);
  await refuseNoRepository(folder);
  await refuseNoArchive(folder);
  const one = await verifyRepository({ folder, ...(since === undefined ? {} : { since }) });
  const found = one.fault === null && one.head === null ? { ...one, fault: empty(folder) } : one;
  return answerOf({ deep: false, since }, [found], null);
}

/** The same rule as when the server is asked. */
function refuseNoHead(since: string | undefined): void {
  const { error } = archive.verify.body.safeParse({ since });
  if (error === undefined) return;
  throw new ProblemError("BAD_REQUEST", `since: ${error.issues[0]?.message}`, {
    next: "give the whole id that you kept; gridpost archive status names the newest",
  });
}

/** What Git does not open was not tampered with: it is another folder, or another user's. */
async function refuseNoRepository(folder: string): Promise<void> {
  try {
    await gitIn(folder).raw(["rev-parse", "--git-dir"]);
  } catch (error) {
    const [reason = ""] = (error instanceof Error ? error.message : "").trim().split("\n");
    throw new ProblemError("BAD_REQUEST", `${folder} cannot be read by Git: ${reason}`, {
      next: "give the folder of a clone of journal.git, or of a project's archive.git",
      cause: error,
    });
  }
}

/** A history of which no commit says that a server made it was never an archive, so nothing in it was tampered with. */
async function refuseNoArchive(folder: string): Promise<void> {
  const holds = async (...args: string[]): Promise<boolean> => {
    const found = gitIn(folder).raw(["rev-list", "--max-count=1", "--all", ...args]);
    // What cannot be read is damaged: the verification says where.
    return (await found.catch(() => "unreadable")) !== "";
  };
  if (!(await holds()) || (await holds("--grep=^Gridpost-Signature: "))) return;
  throw new ProblemError("BAD_REQUEST", `${folder} is no Gridpost archive`, {
    next: "give the folder of a clone of journal.git, or of a project's archive.git",
  });
}
