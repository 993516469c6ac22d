import { hash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifyAnswer, VerifyRequest } from "../archive/ports.ts";
import { type ProblemBody, ProblemError } from "../contract/problem-error.ts";
import { startThread } from "../runtime/thread.ts";

/** What the thread is asked. */
export interface VerifyTask {
  readonly data: string;
  /** An empty folder for what it needs meanwhile. */
  readonly scratch: string;
  readonly request: VerifyRequest;
}

/** What it says: the answer, or why there is none. */
export type VerifyReply = { readonly answer: VerifyAnswer } | { readonly problem: ProblemBody };

/** How the folders of verifications of a data folder begin, so that a later server knows them for its own. */
const scratchName = (data: string): string =>
  `gridpost-verify-${hash("sha256", data).slice(0, 16)}-`;

/** Removes what the verifications of a killed server left behind: a copy of its database. Only for whoever has the data folder. */
export async function removeScratch(data: string): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  const left = names.filter((name) => name.startsWith(scratchName(data)));
  // What another user put there is none of ours.
  const remove = (name: string): Promise<void> =>
    rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  await Promise.all(left.map(remove));
}

/**
 * Verifies the archive of a data folder beside a running server, which goes on answering.
 * @param signal ends it
 */
export async function verifyInThread(
  data: string,
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<VerifyAnswer> {
  const scratch = await mkdtemp(join(tmpdir(), scratchName(data)));
  const task: VerifyTask = { data, scratch, request };
  const worker = startThread(new URL("verify-worker.ts", import.meta.url), task);
  const end = (): void => void worker.terminate();
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  try {
    return await new Promise((resolve, reject) => {
      worker.once("message", (reply: VerifyReply) => {
        if ("answer" in reply) resolve(reply.answer);
        else reject(notVerified(reply.problem));
      });
      worker.once("error", reject);
      worker.once("exit", () => reject(ended()));
    });
  } finally {
    signal.removeEventListener("abort", end);
    await worker.terminate();
    await rm(scratch, { recursive: true, force: true });
  }
}

const notVerified = ({ message, next = "repeat it: gridpost archive verify" }: ProblemBody) =>
  new ProblemError("UNAVAILABLE", `the archive could not be verified: ${message}`, { next });

const ended = (): ProblemError =>
  new ProblemError("UNAVAILABLE", "the verification was ended before it was done", {
    next: "repeat it: gridpost archive verify",
  });
