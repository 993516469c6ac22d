import { z } from "zod";
import type { Clock } from "../runtime/clock.ts";
import type { Spool } from "./spool.ts";
import { sleep } from "./timers.ts";

/** The share of `lostAfter` after which a node that is cut off must have stopped by itself. */
const OWN_SHARE = 0.9;
/** Beyond this the server's times and ours cannot be compared: no work is taken. */
export const MOST_SKEW_MS = 5 * 60_000;

const Saved = z.object({ boot: z.string(), at: z.number() });

export interface ContactOptions {
  readonly clock: Clock;
  readonly spool: Spool;
  readonly bootId: string;
}

/**
 * What the server has acknowledged. The time that counts is when the acknowledged beat was sent, which is never later than
 * the server received it: so this node gives up before the server may grant its work again.
 */
export class Contact {
  draining = false;
  /** How far the server's wall clock is ahead of ours. */
  skewMs = 0;
  /** True from the first acknowledged beat of this life of the daemon. */
  met = false;
  private acknowledgedAt: number;
  private readonly waiting = new Set<() => void>();
  private readonly options: ContactOptions;

  constructor(options: ContactOptions) {
    this.options = options;
    const { clock, spool, bootId } = options;
    const saved = Saved.safeParse(JSON.parse(spool.meta("contact") ?? "null"));
    // A time of another boot says nothing; but nothing that ran then still runs.
    this.acknowledgedAt =
      saved.success && saved.data.boot === bootId ? saved.data.at : clock.monotonic();
  }

  /** A beat that left at `sentAt` was answered. */
  acknowledge(sentAt: number): void {
    this.acknowledgedAt = sentAt;
    this.met = true;
    const { spool, bootId } = this.options;
    spool.setMeta("contact", JSON.stringify({ boot: bootId, at: sentAt }));
    for (const resolve of this.waiting) resolve();
  }

  silentMs(): number {
    return this.options.clock.monotonic() - this.acknowledgedAt;
  }

  /** When what runs must be told to stop, if no further beat is acknowledged. */
  stopAt(lostAfterMs: number, graceMs: number): number {
    return this.acknowledgedAt + OWN_SHARE * lostAfterMs - graceMs;
  }

  /** Until the server has answered once in this life: nothing new starts before. */
  async first(signal: AbortSignal): Promise<void> {
    while (!this.met && !signal.aborted) await this.nextBeat(Number.POSITIVE_INFINITY, signal);
  }

  /** Until the next acknowledged beat, at most `ms`: who waits for the server to come back learns it first here. */
  async nextBeat(ms: number, signal: AbortSignal): Promise<void> {
    const beat = new AbortController();
    const resolve = (): void => beat.abort();
    this.waiting.add(resolve);
    await sleep(ms, signal, beat.signal);
    this.waiting.delete(resolve);
  }
}
