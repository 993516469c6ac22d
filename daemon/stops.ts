import type { Spool } from "./spool.ts";
import type { StopReason } from "./spool-rows.ts";

/** Who asks an attempt to end reaches it here, in this life of the daemon or a later one. */
export class Stops {
  private readonly controllers = new Map<string, AbortController>();
  private readonly spool: Spool;

  constructor(spool: Spool) {
    this.spool = spool;
  }

  /** Fires when the attempt must end; the reason lies in the spool. */
  signal(attempt: string): AbortSignal {
    return this.controller(attempt).signal;
  }

  request(attempt: string, reason: StopReason): void {
    this.spool.setStop(attempt, reason);
    this.controller(attempt).abort();
  }

  forget(attempt: string): void {
    this.controllers.delete(attempt);
  }

  private controller(attempt: string): AbortController {
    const known = this.controllers.get(attempt) ?? new AbortController();
    this.controllers.set(attempt, known);
    return known;
  }
}
