import type { Query } from "./db.ts";
import type { EventLog } from "./event-log.ts";
import { storedAfter, storedThat } from "./events.ts";
import type { Event, LogTx, StoredEvent } from "./log.ts";
import type { News } from "./tail.ts";

const POLL_MS = 1_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 30_000;
/** A reader of few events looks at so many at once: a millisecond. */
const LOOK = 2_000;
/** So many events may be looked at again after a restart, so that a cursor is not moved for each that is passed over. */
const LAZY = 1_000;
const RANGE = `select (select min(seq) from events where seq > $1) as first,
  (select max(seq) from events) as newest`;

/** The events that a reader is for: others are passed over unread. */
export interface Only {
  /** A condition over a row of `events`, the same text for ever. */
  readonly where: string;
  /** Whether an event that was just appended may fulfil it: then the reader looks at once, else within a second. */
  readonly fits: (event: Event) => boolean;
}

/**
 * A reader of the log with a durable cursor. A crash anywhere may give the same events again, and never skips one, so
 * `handle` is idempotent by event id.
 */
export type ReaderOptions = {
  readonly log: EventLog;
  /** Names the cursor; never reused for another purpose. A new name starts at the first event. */
  readonly name: string;
  /** The most events in one call of `handle`. */
  readonly batch: number;
  /** Milliseconds to wait for more after a wake-up, where fewer and fuller batches are worth it; 0 when left out. */
  readonly gatherMs?: number;
  /** All events when left out. */
  readonly only?: Only;
} & (
  | {
      /** `handle` works in a transaction that also moves the cursor. */
      readonly transactional: true;
      readonly handle: (events: readonly StoredEvent[], tx: LogTx) => Promise<void>;
    }
  | {
      /** `handle` acts on something else (Git, a socket); the cursor moves after it returned. */
      readonly transactional: false;
      readonly handle: (events: readonly StoredEvent[]) => Promise<void>;
    }
);

/** A reader that runs until it is stopped. */
export interface Reader {
  /** Waits for the batch in flight, then ends. */
  stop(): Promise<void>;
}

/** What a reader looks at in one step. */
interface Page {
  readonly events: readonly StoredEvent[];
  /** The place of the last event that was looked at. */
  readonly last: number;
  /** How many were looked at; 0 at the end of the log. */
  readonly looked: number;
  /** Whether there may be more. */
  readonly full: boolean;
}

/** How far a running reader has looked beyond its cursor, where nothing was for it. */
interface Sight {
  cursor: number;
  seen: number;
}

/**
 * Handles the next batch, if any; returns how many events it held or passed over. The step that `runReader` repeats.
 */
export async function readBatch(options: ReaderOptions): Promise<number> {
  return (await step(options)).looked;
}

async function step(options: ReaderOptions, sight?: Sight): Promise<Page> {
  const { log, name } = options;
  const from = await cursorOf(options);
  const seen = sight?.cursor === from ? sight.seen : from;
  const page = await nextPage(options, seen);
  const { events, last, looked } = page;
  if (looked === 0 && seen === from) return page;
  // It moves past what was for others when that is much, and when nothing more comes.
  if (sight !== undefined && looked > 0 && events.length === 0 && last - from < LAZY) {
    Object.assign(sight, { cursor: from, seen: last });
    return page;
  }
  const some = events.length > 0;
  if (some && !options.transactional) await options.handle(events);
  await log.tx([`cursor:${name}`], async (tx) => {
    const moved = await tx.query(
      `insert into e_cursors (name, seq) values ($1, $2)
       on conflict (name) do update set seq = excluded.seq where e_cursors.seq = $3 returning name`,
      [name, last, from],
    );
    // Another process with the same reader was faster: its effects stand.
    if (some && moved.length === 1 && options.transactional) await options.handle(events, tx);
  });
  return page;
}

async function cursorOf({ log, name }: ReaderOptions): Promise<number> {
  const [cursor] = await log.query<{ seq: number }>("select seq from e_cursors where name = $1", [
    name,
  ]);
  return cursor?.seq ?? 0;
}

async function nextPage({ log, batch, only }: ReaderOptions, from: number): Promise<Page> {
  if (only !== undefined) return nextPageOf(only, { query: log.query, batch, from });
  const events = await storedAfter(log.query, from, batch);
  const { length: looked } = events;
  return { events, last: events.at(-1)?.seq ?? from, looked, full: looked === batch };
}

async function nextPageOf({ where }: Only, { query, batch, from }: Place): Promise<Page> {
  const [range] = await query<Range>(RANGE, [from]);
  if (range === undefined || range.first === null)
    return { events: [], last: from, looked: 0, full: false };
  const { first, newest } = range;
  // Places leave no gap but the one before each epoch.
  const to = Math.min(newest, first + LOOK - 1);
  const events = await storedThat(query, where, { from, to, limit: batch });
  const full = events.length === batch;
  const last = full ? (events.at(-1)?.seq ?? to) : to;
  return { events, last, looked: to - first + 1, full: full || to < newest };
}

interface Place {
  readonly query: Query;
  readonly batch: number;
  readonly from: number;
}

type Range =
  | { readonly first: number; readonly newest: number }
  | { readonly first: null; readonly newest: number | null };

/**
 * Starts a reader: woken by commits that concern it, and looking each second.
 * @param onError hears of each failed batch; it is repeated after a growing pause
 */
export async function runReader(
  options: ReaderOptions,
  onError: (error: unknown) => void,
): Promise<Reader> {
  const bell = new Bell();
  const unfollow = await options.log.follow((news) => {
    if (concern(options, news)) bell.ring();
  });
  const running = loop({ options, onError, bell });
  return {
    stop: async () => {
      bell.close();
      await running;
      await unfollow();
    },
  };
}

const concern = ({ only }: ReaderOptions, news: News): boolean =>
  only === undefined || news === null || news.some((event) => only.fits(event));

interface LoopParts {
  readonly options: ReaderOptions;
  readonly onError: (error: unknown) => void;
  readonly bell: Bell;
}

async function loop({ options, onError, bell }: LoopParts): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  const sight: Sight = { cursor: 0, seen: 0 };
  while (!bell.closed) {
    bell.hush();
    try {
      const { full } = await step(options, sight);
      pause = FIRST_PAUSE_MS;
      if (!full) {
        await bell.wait(POLL_MS);
        await bell.pause(options.gatherMs ?? 0);
      }
    } catch (error) {
      onError(error);
      await bell.pause(pause);
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    }
  }
}

/** Remembers a ring between looking at the log and waiting, so that no wake-up falls between the two. */
class Bell {
  closed = false;
  private rung = false;
  private wakeUp: (() => void) | undefined;
  private sleeper: (() => void) | undefined;

  ring(): void {
    this.rung = true;
    this.wakeUp?.();
  }

  hush(): void {
    this.rung = false;
  }

  close(): void {
    this.closed = true;
    this.wakeUp?.();
    this.sleeper?.();
  }

  /** Until the next ring, at most `ms`. */
  async wait(ms: number): Promise<void> {
    if (this.rung || this.closed) return;
    await sleepUntil(ms, (wakeUp) => (this.wakeUp = wakeUp));
    this.wakeUp = undefined;
  }

  /** For `ms`, whatever rings, unless closed. */
  async pause(ms: number): Promise<void> {
    if (this.closed || ms === 0) return;
    await sleepUntil(ms, (wakeUp) => (this.sleeper = wakeUp));
    this.sleeper = undefined;
  }
}

function sleepUntil(ms: number, offer: (wakeUp: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    offer(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
