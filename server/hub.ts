import type { Db, Query } from "../storage/db.ts";
import { lastSeq } from "../storage/events.ts";

const BATCH = 500;
/** In case a wake-up was lost. */
const POLL_MS = 1_000;
const EVENTS = "select seq, type, project, body from events where seq > $1 order by seq limit $2";

/** What wake-ups are made of. */
export interface Happening {
  readonly type: string;
  readonly project: string | null;
  /** Parsed when somebody looks. */
  readonly body: unknown;
}

export interface HubOptions {
  readonly db: Db;
  /** The topics that an event is about. */
  readonly topicsOf: (happening: Happening) => readonly string[];
  /** Called with the types of newly committed events, before anybody is woken. */
  readonly onTypes: (types: ReadonlySet<string>) => void;
  readonly onError: (error: unknown) => void;
}

/** Wakes whoever waits for committed events about a topic. Every wake-up is a hint: the woken looks again. */
export interface Hub {
  /** Calls back, after commits, when something about the topic has happened. Returns the unsubscribe. */
  subscribe(topic: string, onWake: () => void): () => void;
  /** Resolves at the next wake-up, after `ms`, at the signal, or when the server stops; listens from the call on. */
  wait(
    topic: string,
    options: { readonly ms: number; readonly signal: AbortSignal },
  ): Promise<void>;
  /** Ends every wait. */
  stop(): Promise<void>;
}

export async function openHub({ db, topicsOf, onTypes, onError }: HubOptions): Promise<Hub> {
  const listeners = new Map<string, Set<() => void>>();
  const stopped = new AbortController();
  let seq = await lastSeq(db.query);

  const wake = (topics: ReadonlySet<string>): void => {
    for (const topic of topics) for (const listener of listeners.get(topic) ?? []) listener();
  };
  const tail = coalesced(async () => {
    for (;;) {
      const rows = await newEvents(db.query, seq);
      seq = rows.at(-1)?.seq ?? seq;
      onTypes(new Set(rows.map(({ type }) => type)));
      // Nobody waits: no need to know what the events are about.
      if (listeners.size > 0) wake(new Set(rows.flatMap((row) => topicsOf(happening(row)))));
      if (rows.length < BATCH) return;
    }
  }, onError);
  const unlisten = await db.listen(tail);
  const timer = setInterval(tail, POLL_MS).unref();

  const subscribe: Hub["subscribe"] = (topic, onWake) => {
    const set = listeners.get(topic) ?? new Set();
    listeners.set(topic, set.add(onWake));
    return () => {
      set.delete(onWake);
      if (set.size === 0 && listeners.get(topic) === set) listeners.delete(topic);
    };
  };
  return {
    subscribe,
    wait: (topic, { ms, signal }) => {
      if (signal.aborted || stopped.signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timeout);
          unsubscribe();
          signal.removeEventListener("abort", end);
          stopped.signal.removeEventListener("abort", end);
          resolve();
        };
        const timeout = setTimeout(end, ms);
        const unsubscribe = subscribe(topic, end);
        signal.addEventListener("abort", end);
        stopped.signal.addEventListener("abort", end);
      });
    },
    stop: async () => {
      clearInterval(timer);
      stopped.abort();
      await unlisten();
    },
  };
}

interface Row {
  readonly seq: number;
  readonly type: string;
  readonly project: string | null;
  readonly body: string;
}

const newEvents = (query: Query, after: number): Promise<Row[]> =>
  query<Row>(EVENTS, [after, BATCH]);

const happening = ({ type, project, body }: Row): Happening => ({
  type,
  project,
  get body() {
    return JSON.parse(body) as unknown;
  },
});

/** Runs `work` once at a time; calls during a run make one more. */
function coalesced(work: () => Promise<void>, onError: (error: unknown) => void): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await work().catch(onError);
    } while (again);
    running = false;
  };
  return () => {
    if (running) again = true;
    else void run();
  };
}
