import type { Principal } from "../contract/handlers.ts";
import type { EventLog } from "../storage/event-log.ts";

const WINDOW_MS = 60_000;
/** Events for each principal in a window; the rest is counted. */
const MAX_EVENTS = 10;

interface Window {
  count: number;
  readonly endsAt: number;
}

/** What a principal was refused. */
export interface Denial {
  /** `POST /v1/tokens`. */
  readonly endpoint: string;
  readonly message: string;
}

/** Puts denials of authenticated principals into the log: ten a minute each, then one count. */
export interface Denials {
  record(principal: Principal, denial: Denial): void;
  /** Appends the counts of windows that have ended, or (at the end) of all. */
  flush(all?: boolean): Promise<void>;
  stop(): Promise<void>;
}

export function startDenials(log: EventLog, onError: (error: unknown) => void): Denials {
  const windows = new Map<string, Window>();
  const append = (type: string, actor: string, body: object): Promise<unknown> =>
    log.tx(["audit"], (tx) => tx.append({ type, project: null, actor, body }));
  const flush: Denials["flush"] = async (all = false) => {
    for (const [principal, { count, endsAt }] of windows) {
      if (!all && endsAt > log.now()) continue;
      windows.delete(principal);
      if (count <= MAX_EVENTS) continue;
      await append("access.denials_counted", "server", { principal, count: count - MAX_EVENTS });
    }
  };
  const timer = setInterval(() => void flush().catch(onError), WINDOW_MS).unref();
  return {
    record: ({ id, actor }, denial) => {
      const known = windows.get(id);
      const window = known ?? { count: 0, endsAt: log.now() + WINDOW_MS };
      windows.set(id, window);
      window.count += 1;
      if (window.count > MAX_EVENTS) return;
      append("access.denied", actor, { principal: id, ...denial }).catch(onError);
    },
    flush,
    stop: async () => {
      clearInterval(timer);
      await flush(true);
    },
  };
}
