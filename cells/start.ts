import type { Resolved } from "../contract/cell/cell.ts";
import { ProblemError } from "../contract/problem.ts";
import type { LogTx } from "../storage/log.ts";
import { type AttemptRow, isLive, ownAttempt } from "./attempt-store.ts";
import type { Demand } from "./match.ts";
import { type QueueFacts, queueFacts } from "./claim-store.ts";
import { isFinal } from "./state.ts";

export interface Start {
  readonly attempt: string;
  readonly holder: string;
  readonly runtime: Resolved["runtime"];
  /** Repo digest or image id of what is about to run. */
  readonly image: string | null;
}

/**
 * Lets an attempt begin; repeating it changes nothing. The first container of a sweep with a local image freezes the
 * image's identity for all.
 * @throws ProblemError ATTEMPT_SUPERSEDED if the run is no longer the attempt's, CONFLICT for another image than the
 * frozen one, UNPROCESSABLE for a runtime that the cell does not allow
 */
export async function startAttempt(tx: LogTx, start: Start): Promise<void> {
  const { holder, runtime, image } = start;
  const attempt = await ownAttempt(tx.query, start.attempt, holder);
  refuseEnded(attempt);
  if (attempt.state === "running") return;
  const { demand, image: written } = await queueFacts(tx.query, attempt.queue);
  refuseRuntime(attempt.id, demand.runtime, runtime);
  if (runtime === "docker") await agreeOnImage(tx, { ...attempt, image: written }, start);
  const { id, run, project } = attempt;
  const body = { attempt: id, run, runtime, image };
  await tx.append({ type: "attempt.started", project, actor: holder, body });
}

function refuseEnded(attempt: AttemptRow): void {
  if (isLive(attempt) && !isFinal(attempt.run_state)) return;
  const why = isFinal(attempt.run_state) ? `its run is ${attempt.run_state}` : "it was given up";
  throw new ProblemError("ATTEMPT_SUPERSEDED", `the attempt ${attempt.id} must not start: ${why}`, {
    details: [{ attempt: attempt.id, run: attempt.run, state: attempt.run_state }],
    next: "stop it and claim again",
  });
}

function refuseRuntime(id: string, allowed: Demand["runtime"], runtime: string): void {
  if (allowed === "any" || allowed === runtime) return;
  throw new ProblemError("UNPROCESSABLE", `the cell of attempt ${id} runs with ${allowed} only`, {
    next: "report setup_failed",
  });
}

async function agreeOnImage(
  tx: LogTx,
  attempt: AttemptRow & Pick<QueueFacts, "image">,
  { image, holder }: Start,
): Promise<void> {
  const { image: written, frozen_image: frozen, sweep, project } = attempt;
  if (image === null)
    throw new ProblemError("UNPROCESSABLE", "a container's start names its image", {
      next: "send the repo digest or the image id",
    });
  if (frozen === null) {
    const body = { sweep, image: written, id: image };
    await tx.append({ type: "image.frozen", project, actor: holder, body });
    return;
  }
  if (frozen === image) return;
  throw new ProblemError(
    "CONFLICT",
    `${written} is ${image} here; the sweep is frozen at ${frozen}`,
    {
      details: [{ image: written, found: image, frozen }],
      next: "report setup_failed; bring the same image to this node, or submit the sweep anew",
    },
  );
}
