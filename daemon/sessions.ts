import type { Session } from "../contract/cells.ts";
import { AttemptFolder, type WorkRoots } from "./attempt-folder.ts";
import { measure } from "./attempt.ts";
import { type ClaimTurn, freeCapacity } from "./capacity.ts";
import { deliver } from "./delivery.ts";
import type { GpuCare } from "./gpu-care.ts";
import { DetachedError, type Node } from "./node.ts";
import type { AttemptRow, KeptReport, Offer } from "./spool-rows.ts";
import { backoff, sleep } from "./timers.ts";

export interface SessionsOptions {
  readonly node: Node;
  readonly roots: WorkRoots;
  readonly gpuCare: GpuCare;
  readonly turn: ClaimTurn;
}

/** Carries out the granted sessions, side by side; the attempts of one in order. */
export class Sessions {
  private readonly options: SessionsOptions;
  private readonly running = new Map<string, Promise<void>>();

  constructor(options: SessionsOptions) {
    this.options = options;
  }

  /** Goes on with everything that an earlier life has left. */
  resume(): void {
    for (const session of this.options.node.spool.sessions()) this.start(session);
  }

  /** Begins a session that lies in the spool, if it has not begun. */
  start(session: Session): void {
    if (this.running.has(session.id)) return;
    const { node } = this.options;
    const done = this.persist(session).finally(() => {
      this.running.delete(session.id);
      node.wakeClaims.wake();
    });
    this.running.set(session.id, done);
  }

  /** A session has an owner until its last result is acknowledged, whatever goes wrong on the way. */
  private async persist(session: Session): Promise<void> {
    const { detach, log } = this.options.node;
    for (let failures = 1; !detach.aborted; failures += 1) {
      try {
        await this.carryOut(session);
        return;
      } catch (error) {
        if (error instanceof DetachedError || detach.aborted) return;
        log.error({ session: session.id, error: String(error) }, "a session failed; trying again");
        await sleep(backoff(failures), detach);
      }
    }
  }

  /** Until all have let go, after a hand-off. */
  async settled(): Promise<void> {
    await Promise.all(this.running.values());
  }

  private async carryOut(session: Session): Promise<void> {
    const { node, roots, gpuCare } = this.options;
    const place = { node, roots, gpuCare, gpus: session.gpus };
    const attempts = node.spool.attempts(session.id);
    for (const [i, row] of attempts.entries()) {
      const kept = row.report ?? (await measure(place, row));
      if (kept === null) {
        node.spool.acknowledge(row.id, null);
        continue;
      }
      if (row.report === null) node.spool.setReport(row.id, kept);
      await this.handIn(row, kept, i === attempts.length - 1);
    }
  }

  /** The last report of a session also asks for the next one. */
  private async handIn(row: AttemptRow, kept: KeptReport, last: boolean): Promise<void> {
    const { node, roots, turn } = this.options;
    const release = last ? turn.take() : null;
    try {
      const offer = row.offer === undefined ? this.offer(row, release !== null) : row.offer;
      const next = await deliver(node, { attempt: row.id, kept, offer });
      node.spool.acknowledge(row.id, next);
      node.stops.forget(row.id);
      if (next !== null) this.start(next);
    } finally {
      release?.();
    }
    for (const runtime of ["docker", "process"] as const)
      await new AttemptFolder(roots, runtime, row.id).remove();
  }

  /** Written down, also that there is none: a repetition after a crash must say the same. */
  private offer(row: AttemptRow, mayClaim: boolean): Offer | null {
    const { node } = this.options;
    const offer = mayClaim ? freeCapacity(node, row.session) : null;
    node.spool.setOffer(row.id, offer);
    return offer;
  }
}
