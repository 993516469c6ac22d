import type { Db } from "../storage/db.ts";
import { lastSeq } from "../storage/events.ts";

const BATCH = 500;
/** In case a wake-up was lost. */
const POLL_MS = 1_000;
const EVENTS = "select seq, type, project, body from events where seq > $1 order by seq limit $2";
const TYPES = "select seq, type from events where seq > $1 order by seq limit $2";

/** What wake-ups are made of. */
export interface Happening {
  readonly type: string;
  readonly project: string | null;
  readonly body: unknown;
}

/** What events are about. */
export interface Topics {
  /** What the type of an event tells. */
  readonly topicsOfType: (type: string) => readonly string[];
  /** Whether a topic is one of those. */
  readonly isTypeTopic: (topic: string) => boolean;
  /** What only its body tells. */
  readonly topicsOf: (happening: Happening) => readonly string[];
}

export interface HubOptions {
  readonly db: Db;
  readonly topics: Topics;
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

export async function openHub({ db, topics, onTypes, onError }: HubOptions): Promise<Hub> {
  const listeners = new Map<string, Set<() => void>>();
  const stopped = new AbortController();
  let seq = await lastSeq(db.query);
  /** Listeners to what only bodies tell: without any, no body is read. */
  let curious = 0;

  const wake = (about: ReadonlySet<string>): void => {
    for (const topic of about) for (const listener of listeners.get(topic) ?? []) listener();
  };
  const tail = coalesced(async () => {
    for (;;) {
      const rows = await db.query<Row>(curious > 0 ? EVENTS : TYPES, [seq, BATCH]);
      seq = rows.at(-1)?.seq ?? seq;
      const types = new Set(rows.map(({ type }) => type));
      onTypes(types);
      wake(new Set([...types].flatMap(topics.topicsOfType)));
      wake(new Set(rows.flatMap((row) => (hasBody(row) ? topics.topicsOf(happening(row)) : []))));
      if (rows.length < BATCH) return;
    }
  }, onError);
  const unlisten = await db.listen(tail);
  const timer = setInterval(tail, POLL_MS).unref();

  const subscribe: Hub["subscribe"] = (topic, onWake) => {
    const set = listeners.get(topic) ?? new Set();
    listeners.set(topic, set.add(onWake));
    const weight = topics.isTypeTopic(topic) ? 0 : 1;
    curious += weight;
    return () => {
      if (set.delete(onWake)) curious -= weight;
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
  readonly project?: string | null;
  readonly body?: string;
}

const hasBody = (row: Row): row is Required<Row> => row.body !== undefined;

const happening = ({ type, project, body }: Required<Row>): Happening => ({
  type,
  project,
  body: JSON.parse(body) as unknown,
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
