import type { Follow, News } from "../storage/tail.ts";

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
  readonly follow: Follow;
  readonly topics: Topics;
  /** Called with the types of newly committed events, before anybody is woken; null: they may be of any type. */
  readonly onTypes: (types: ReadonlySet<string> | null) => void;
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

export async function openHub({ follow, topics, onTypes, onError }: HubOptions): Promise<Hub> {
  const listeners = new Map<string, Set<() => void>>();
  const stopped = new AbortController();
  /** Listeners to what only bodies tell: without any, no body is looked at. */
  let curious = 0;

  const tell = (news: News): void => {
    onTypes(news === null ? null : new Set(news.map(({ type }) => type)));
    const about = news === null ? [...listeners.keys()] : topicsIn(news, topics, curious > 0);
    for (const topic of about) for (const listener of listeners.get(topic) ?? []) guarded(listener);
  };
  /** One that fails keeps nobody else asleep. */
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      onError(error);
    }
  };
  const unfollow = await follow((news) => guarded(() => tell(news)));

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
      stopped.abort();
      await unfollow();
    },
  };
}

/** Each once. */
function topicsIn(
  news: readonly Happening[],
  { topicsOfType, topicsOf }: Topics,
  withBodies: boolean,
): Set<string> {
  const types = new Set(news.map(({ type }) => type));
  const about = new Set([...types].flatMap(topicsOfType));
  if (withBodies) for (const one of news) for (const topic of topicsOf(one)) about.add(topic);
  return about;
}
