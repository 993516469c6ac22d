import type { Query } from "./db.ts";

/** The idempotency key of the call that made an event, the hash of the request, and the id that rebuilds its reply. */
export interface EventKey {
  readonly key: string;
  readonly endpoint: string;
  readonly hash: string;
  readonly ref: string;
}

/** A fact in the past tense, appended with the change that it describes. `seq` is given by the log. */
export interface Event<T extends string = string, B = unknown> {
  readonly id: string;
  readonly v: number;
  readonly type: T;
  readonly project: string | null;
  /** The acting principal (`user:anna`, `agent:default/blue`, `node:n1`, `server`); `user:anna>agent:default/blue` when delegated. */
  readonly actor: string;
  /** Milliseconds since the epoch by `now_ms()` of the transaction. */
  readonly at: number;
  readonly key: EventKey | null;
  readonly body: B;
}

/** An event with its place in the log: gapless, in commit order. */
export interface LoggedEvent extends Event {
  readonly seq: number;
}

/** The same as it lies in the log: key and body are JSON, as `JSON.stringify` made it. */
export interface StoredEvent extends Omit<LoggedEvent, "key" | "body"> {
  readonly key: string | null;
  readonly body: string;
}

export function parseEvent(stored: StoredEvent): LoggedEvent {
  const key = stored.key === null ? null : (JSON.parse(stored.key) as EventKey);
  return { ...stored, key, body: JSON.parse(stored.body) as unknown };
}

/** What a caller of `append` supplies; id and time are the log's. */
export interface NewEvent<T extends string = string, B = unknown> {
  readonly type: T;
  readonly v?: number;
  readonly project: string | null;
  readonly actor: string;
  readonly key?: EventKey | null;
  readonly body: B;
}

/** What a body of `Log.tx` works with. */
export interface LogTx {
  readonly query: Query;
  /** `now_ms()` of this transaction, the same for all of its events. */
  readonly now: number;
  /** Applies the event to the projections and appends it, in this transaction: the log holds it when the body has ended. */
  append(event: NewEvent): Promise<Event>;
  /** Sets or moves the deadline (kind, subject) to `due`; several kinds may share a subject. */
  setDeadline(kind: string, subject: string, due: number): Promise<void>;
  clearDeadline(kind: string, subject: string): Promise<void>;
}

/** Writes one kind of event into projections: a function of the event and the projections only. */
export type Apply = (query: Query, event: Event) => Promise<void>;

/** What a domain gives to the log: its `p_*` tables and how each type of its events changes them. */
export interface Projection {
  readonly name: string;
  /** The `p_*` tables that these `apply` functions alone may write; compared with a replay. */
  readonly tables: readonly string[];
  readonly apply: Readonly<Record<string, Apply>>;
}

/** Called in a transaction when a deadline is due; appends an event only if the state still calls for it. The row is already gone. */
export type OnDeadline = (tx: LogTx, subject: string, due: number) => Promise<void>;

/** The event log over a `Db`. */
export interface Log {
  readonly query: Query;
  /** The latest `now_ms()`. */
  now(): number;
  tx<T>(keys: readonly string[], fn: (tx: LogTx) => Promise<T>): Promise<T>;
}

/** The place of the newest event; 0 for an empty log. */
export async function lastSeq(query: Query): Promise<number> {
  const [row] = await query<{ seq: number | null }>("select max(seq) as seq from events");
  return row?.seq ?? 0;
}
