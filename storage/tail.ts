import type { Db } from "./db.ts";
import { type Event, lastSeq } from "./log.ts";

const CHECK_MS = 1_000;

/** What was appended; null: something that was not appended by this log, so whoever wants to know it looks. */
export type News = readonly Event[] | null;

/** Calls back after commits with what they appended: a hint, for which nothing is read. Returns the unsubscribe. */
export type Follow = (onNews: (news: News) => void) => Promise<() => Promise<void>>;

interface Follower {
  readonly onNews: (news: News) => void;
  readonly pending: Event[];
}

/** Tells followers what is appended, from memory; each second it compares that with the log. */
export class Tail {
  private readonly db: Db;
  private readonly followers = new Set<Follower>();
  /** Events of this log that were committed. */
  private appended = 0;
  /** Events that were not, as far as is known. */
  private others = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(db: Db) {
    this.db = db;
  }

  /** To be called as soon as events are committed. */
  note(events: readonly Event[]): void {
    this.appended += events.length;
    for (const { pending } of this.followers) pending.push(...events);
  }

  readonly follow: Follow = async (onNews) => {
    if (this.followers.size === 0) await this.check();
    const follower: Follower = { onNews, pending: [] };
    this.followers.add(follower);
    this.timer ??= setInterval(() => void this.check().catch(() => undefined), CHECK_MS).unref();
    const unlisten = await this.db.listen(() => {
      const news = follower.pending.splice(0);
      onNews(news.length === 0 ? null : news);
    });
    return async () => {
      this.followers.delete(follower);
      if (this.followers.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
      await unlisten();
    };
  };

  private async check(): Promise<void> {
    const others = (await lastSeq(this.db.query)) - this.appended;
    if (others === this.others) return;
    this.others = others;
    for (const { onNews } of this.followers) onNews(null);
  }
}
