import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Session } from "../contract/cells.ts";
import { ProblemError } from "../contract/problem.ts";
import type { AttemptReport } from "../contract/run.ts";
import { mayPass, untilTaken } from "./calls.ts";
import { DetachedError, type Node } from "./node.ts";
import { readHashed } from "./results/hashed-file.ts";
import type { KeptFile, KeptReport, Offer } from "./spool-rows.ts";
import { backoff, sleep } from "./timers.ts";

/** A report that was refused so often will always be. */
const MOST_REFUSALS = 10;
const CALL_MS = 30_000;
/** On a slower line the server would give up on the largest file before all of it has come. */
const LEAST_BYTES_PER_MS = 256;

/** How long a call may take that brings so many bytes: a time that fits every file would be too short for the largest. */
const patience = (bytes: number): number => CALL_MS + Math.ceil(bytes / LEAST_BYTES_PER_MS);

export interface Delivery {
  readonly attempt: string;
  readonly kept: KeptReport;
  /** What the server may claim for us in the same call; part of what a repetition must repeat. */
  readonly offer: Offer | null;
}

/**
 * Brings a report to the server and returns only when it is there, or will never be taken: then it is set aside in the
 * folder `refused` and said aloud. Answers with the next session, if the server granted one.
 * @throws DetachedError when the daemon hands off; the next life delivers it
 */
export async function deliver(node: Node, delivery: Delivery): Promise<Session | null> {
  const { attempt, kept } = delivery;
  for (let refusals = 1; ; refusals += 1) {
    try {
      const lost = new Set<string>();
      for (const file of kept.files)
        if (!(await putEvidence(node, attempt, file))) lost.add(file.name);
      return await complete(node, delivery, without(kept.report, lost));
    } catch (error) {
      if (!(error instanceof ProblemError) || mayPass(error)) throw error;
      if (refusals === MOST_REFUSALS) {
        await setAside(node, delivery, error);
        return null;
      }
      node.log.warn({ attempt, refusals, error: error.message }, "the server refuses a report");
      await sleep(backoff(Math.min(refusals, 3)), node.detach);
      if (node.detach.aborted) throw new DetachedError();
    }
  }
}

/** False for a file that is gone, or is not what was measured any more: the server would refuse it. */
async function putEvidence(node: Node, attempt: string, file: KeptFile): Promise<boolean> {
  const bytes = await readHashed(file);
  if (bytes === undefined) {
    node.log.warn({ attempt, file: file.path }, "a file of a result is gone or was changed");
    return false;
  }
  const content = bytes.toString("base64");
  await untilTaken({ node, signal: node.detach }, () =>
    node.server.client.cells.putEvidence(
      { params: { attempt, sha256: file.sha256 }, body: { content } },
      { timeoutMs: patience(file.size), signal: node.detach },
    ),
  );
  return true;
}

/** A measurement counts without all of its evidence; how much is missing is said. */
function without(report: AttemptReport, lost: ReadonlySet<string>): AttemptReport {
  if (lost.size === 0) return report;
  const { evidence, environment } = report;
  const leftOut = Number(environment["evidenceLeftOut"] ?? 0) + lost.size;
  return {
    ...report,
    evidence: evidence.filter(({ name }) => !lost.has(name)),
    environment: { ...environment, evidenceLeftOut: String(leftOut) },
  };
}

async function complete(
  node: Node,
  { attempt, offer }: Delivery,
  report: AttemptReport,
): Promise<Session | null> {
  const { accepted, state, next } = await untilTaken({ node, signal: node.detach }, () =>
    node.server.client.cells.complete(
      { params: { attempt }, body: { report, next: offer } },
      { idempotencyKey: `complete-${attempt}`, signal: node.detach },
    ),
  );
  node.log.info({ attempt, outcome: report.outcome, state, accepted }, "result delivered");
  return next;
}

async function setAside(node: Node, { attempt, kept }: Delivery, error: Error): Promise<void> {
  const folder = join(node.options.data, "refused");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${attempt}.json`);
  await writeFile(path, JSON.stringify({ error: error.message, ...kept }, null, 2));
  node.log.error({ attempt, path, error: error.message }, "the server will not take this result");
}
