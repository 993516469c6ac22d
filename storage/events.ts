import { ProblemError } from "../contract/problem.ts";
import type { Query } from "./db.ts";
import {
  type Apply,
  type Event,
  type LoggedEvent,
  parseEvent,
  type Projection,
  type StoredEvent,
} from "./log.ts";

const COLUMNS = "id, v, type, project, actor, at, key, body";
const WIDTH = 8;
/** Parameters of one statement stay below 900. */
const MAX_ROWS = 100;
const COPY = `insert into events (${COLUMNS}, seq)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;
const AFTER = "select * from events where seq > $1 order by seq limit $2";

/**
 * Writes events at the end of the log, inside a transaction. SQLite gives each the row id, which is its `seq`, after the
 * greatest one, so a rolled-back append leaves no gap.
 */
export async function insertEvents(query: Query, events: readonly Event[]): Promise<void> {
  for (let from = 0; from < events.length; from += MAX_ROWS) {
    const some = events.slice(from, from + MAX_ROWS);
    const values: unknown[] = [];
    for (const event of some) values.push(...columns(event));
    await query(insertOf(some.length), values);
  }
}

const inserts: string[] = [];

function insertOf(rows: number): string {
  const row = (i: number): string =>
    `(${Array.from({ length: WIDTH }, (_, j) => `$${i * WIDTH + j + 1}`).join(", ")})`;
  return (inserts[rows] ??=
    `insert into events (${COLUMNS}) values ${Array.from({ length: rows }, (_, i) => row(i)).join(", ")}`);
}

/** Writes an event at the place that it had in another log. */
export async function insertLoggedEvent(query: Query, event: LoggedEvent): Promise<void> {
  await query(COPY, [...columns(event), event.seq]);
}

function columns({ id, v, type, project, actor, at, key, body }: Event): unknown[] {
  return [
    id,
    v,
    type,
    project,
    actor,
    at,
    key === null ? null : JSON.stringify(key),
    JSON.stringify(body),
  ];
}

/** Up to `limit` events that follow `seq`, in order. */
export const eventsAfter = async (
  query: Query,
  seq: number,
  limit: number,
): Promise<LoggedEvent[]> => (await storedAfter(query, seq, limit)).map(parseEvent);

/** The same, as they are stored. */
export const storedAfter = (query: Query, seq: number, limit: number): Promise<StoredEvent[]> =>
  query<StoredEvent>(AFTER, [seq, limit]);

interface Range {
  /** Events with a higher place. */
  readonly from: number;
  /** The last place to look at. */
  readonly to: number;
  readonly limit: number;
}

/** The events in a range of the log that fulfil a condition over a row of `events`, in order. */
export async function storedThat(
  query: Query,
  only: string,
  { from, to, limit }: Range,
): Promise<StoredEvent[]> {
  const text = `select * from events where seq > $1 and seq <= $2 and (${only}) order by seq limit $3`;
  return query<StoredEvent>(text, [from, to, limit]);
}

/** One `apply` that runs those of all projections for the event's type, in the given order. */
export function applyAll(projections: readonly Projection[]): Apply {
  const byType = new Map<string, Apply>();
  for (const { apply } of projections) {
    for (const [type, one] of Object.entries(apply)) {
      const earlier = byType.get(type);
      byType.set(type, earlier === undefined ? one : inTurn(earlier, one));
    }
  }
  return async (query, event) => {
    const apply = byType.get(event.type);
    if (apply === undefined) {
      const problem = `this version of gridpost does not know the event type ${event.type}`;
      throw new ProblemError("UNAVAILABLE", problem, {
        next: "use the version that wrote it, or a newer one",
      });
    }
    await apply(query, event);
  };
}

const inTurn =
  (one: Apply, other: Apply): Apply =>
  async (query, event) => {
    await one(query, event);
    await other(query, event);
  };
