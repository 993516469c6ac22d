import { newId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Db, Query } from "./db.ts";
import { type DeadlineKinds, DeadlineLoop } from "./deadlines.ts";
import { applyAll, insertEvents } from "./events.ts";
import { idempotency, type Once, type TxWithKey } from "./idempotency.ts";
import type { Apply, Event, EventKey, Log, LogTx, NewEvent, Projection } from "./log.ts";
import { type Follow, Tail } from "./tail.ts";

export interface LogOptions {
  readonly db: Db;
  readonly projections: readonly Projection[];
  /** What to do when a deadline is due, by kind; a kind that is not here cannot be set. */
  readonly deadlines?: DeadlineKinds;
}

/** The event log with what the composition root needs beside the port. */
export interface EventLog extends Log {
  readonly db: Db;
  /** Runs a call with an idempotency key at most once; see `Call`. */
  readonly once: Once;
  /** Fires due deadlines; does nothing until `start` or `fireDue` is called. */
  readonly deadlines: DeadlineLoop;
  readonly follow: Follow;
}

/** Opens the log of a migrated database. */
export function openLog({ db, projections, deadlines = {} }: LogOptions): EventLog {
  const apply = applyAll(projections);
  const tail = new Tail(db);
  const tx: TxWithKey = async (keys, key, fn) => {
    let earliest = Infinity;
    let appended: readonly Event[] = [];
    const setDue = (due: number): void => void (earliest = Math.min(earliest, due));
    const result = await db.tx(keys, async (query) => {
      const events: Event[] = [];
      const value = await fn(
        logTx({ query, now: db.now(), apply, deadlines, key, setDue, events }),
      );
      await insertEvents(query, events);
      appended = events;
      return value;
    });
    tail.note(appended);
    if (earliest < Infinity) loop.poke(earliest);
    return result;
  };
  const log: Log = { query: db.query, now: () => db.now(), tx: (keys, fn) => tx(keys, null, fn) };
  const loop = new DeadlineLoop(log, deadlines);
  return { ...log, db, deadlines: loop, once: idempotency(tx), follow: tail.follow };
}

interface TxParts {
  readonly query: Query;
  readonly now: number;
  readonly apply: Apply;
  readonly deadlines: DeadlineKinds;
  readonly key: EventKey | null;
  readonly setDue: (due: number) => void;
  /** What was appended so far: written to the log at the end, by one statement. */
  readonly events: Event[];
}

function logTx({ query, now, apply, deadlines, key, setDue, events }: TxParts): LogTx {
  let nextKey = key;
  return {
    query,
    now,
    append: async ({
      type,
      v = 1,
      project,
      actor,
      key: ownKey,
      body,
    }: NewEvent): Promise<Event> => {
      const event: Event = {
        id: newId(),
        v,
        type,
        project,
        actor,
        at: now,
        key: ownKey ?? nextKey,
        body,
      };
      nextKey = null;
      events.push(event);
      await apply(query, event);
      return event;
    },
    setDeadline: async (kind, subject, due) => {
      if (!Object.hasOwn(deadlines, kind)) throw unknownKind(kind);
      setDue(due);
      await query(
        `insert into e_deadlines (kind, subject, due) values ($1, $2, $3)
         on conflict (kind, subject) do update set due = excluded.due`,
        [kind, subject, due],
      );
    },
    clearDeadline: async (kind, subject) => {
      await query("delete from e_deadlines where kind = $1 and subject = $2", [kind, subject]);
    },
  };
}

const unknownKind = (kind: string): ProblemError =>
  new ProblemError("INTERNAL", `no deadline kind ${kind} is registered`, {
    next: "add it to the deadlines that openLog gets",
  });
