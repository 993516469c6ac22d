import type { ProblemError } from "../contract/problem.ts";
import type { Downstream } from "../contract/stream.ts";
import { inboxPage } from "../mailbox/inbox.ts";
import type { InboxAddress } from "../mailbox/ports.ts";
import type { Query } from "../storage/db.ts";
import type { Hub } from "./hub.ts";
import { toProblemError } from "./problems.ts";
import { inboxTopic } from "./topics.ts";

const PAGE = 100;
/** Frames wait in the inbox, not in memory, while a reader has this much unread. */
const MAX_BUFFERED_BYTES = 262_144;
const DRAIN_CHECK_MS = 50;
const SLOW_MS = 30_000;

export interface PumpOptions {
  readonly query: Query;
  readonly hub: Hub;
  readonly inbox: InboxAddress;
  /** The last `seq` that the client has. */
  readonly after: number;
}

export interface PumpTarget {
  readonly socket: { readonly bufferedAmount: number };
  send(frame: Downstream): void;
  /** The reader did not take what it was sent for 30 s. */
  onSlow(): void;
  /** The inbox could not be read; the pump has stopped. */
  onProblem(problem: ProblemError): void;
}

/** Sends what follows `after` in an inbox, then what arrives, each message once and in order, until it is stopped. */
export class InboxPump {
  private readonly options: PumpOptions;
  private readonly target: PumpTarget;
  private readonly unsubscribe: () => void;
  private cursor: number;
  private stopped = false;
  private running = false;
  private rung = false;

  constructor(options: PumpOptions, target: PumpTarget) {
    this.options = options;
    this.target = target;
    this.cursor = options.after;
    const { project, agent } = options.inbox;
    this.unsubscribe = options.hub.subscribe(inboxTopic(project, agent), () => this.ring());
    this.ring();
  }

  stop(): void {
    this.stopped = true;
    this.unsubscribe();
  }

  private ring(): void {
    this.rung = true;
    if (!this.running && !this.stopped) void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.rung && !this.stopped) {
        this.rung = false;
        await this.catchUp();
      }
    } catch (error) {
      if (this.stopped) return;
      this.stop();
      this.target.onProblem(toProblemError(error));
    } finally {
      this.running = false;
    }
  }

  private async catchUp(): Promise<void> {
    const { query, inbox } = this.options;
    while (await this.drained()) {
      const page = await inboxPage(query, inbox, {
        after: this.cursor,
        limit: PAGE,
        unread: false,
      });
      if (this.stopped) return;
      for (const entry of page.messages)
        this.target.send({
          type: "message",
          project: inbox.project,
          agent: inbox.agent,
          // What the contract brands is plain text here.
          entry: entry as Extract<Downstream, { type: "message" }>["entry"],
        });
      this.cursor = page.next;
      if (page.more) continue;
      this.target.send({ type: "caught-up", seq: this.cursor });
      return;
    }
  }

  /** Waits until the reader has taken most of what it was sent. @returns false when the pump has ended */
  private async drained(): Promise<boolean> {
    const until = performance.now() + SLOW_MS;
    while (!this.stopped && this.target.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      if (performance.now() > until) {
        this.stop();
        this.target.onSlow();
        return false;
      }
      await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
    }
    return !this.stopped;
  }
}
