import Database from "better-sqlite3";
import { goOnAfter } from "../contract/ids.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { Db, Dialect } from "./db.ts";
import { GroupCommit } from "./group-commit.ts";
import { serverTime } from "./server-time.ts";
import { Connection } from "./sqlite-connection.ts";
import { storeError } from "./sqlite-errors.ts";
import { openSqliteReader } from "./sqlite-reader.ts";

const BUSY_TIMEOUT_MS = 5_000;

const dialect: Dialect = {
  name: "sqlite",
  skipLocked: "",
  list: (param) => `(select value from json_each(${param}))`,
};

export interface SqliteOptions {
  /** Path of the database file; its folder must exist. */
  readonly file: string;
  readonly clock?: Clock;
}

/** What the SQLite driver has beyond the port; for measuring and tests. */
export interface SqliteDb extends Db {
  /** COMMITs since the file was opened. */
  commits(): number;
}

/**
 * Opens (and creates) a database file: one writer connection behind group commit, one read-only connection for `query`.
 * @throws ProblemError UNAVAILABLE when the file cannot be opened, is damaged, or is read-only.
 */
export function openSqlite({ file, clock = systemClock }: SqliteOptions): SqliteDb {
  try {
    return open(file, clock);
  } catch (error) {
    throw storeError(error, file);
  }
}

function open(file: string, clock: Clock): SqliteDb {
  const writer = new Connection(new Database(file, { timeout: BUSY_TIMEOUT_MS }));
  configure(writer.database);
  const last = lastEvent(writer.database);
  const now = serverTime(clock, last?.at ?? 0);
  if (last !== undefined) goOnAfter(last.id);
  writer.database.function("now_ms", { directOnly: false }, now);
  const reader = openSqliteReader(file, now);

  const wakes = wakeList();
  let commits = 0;
  const onCommit = (appended: boolean): void => {
    commits += 1;
    if (appended) wakes.wake();
  };
  const group = new GroupCommit({ writer, file, onCommit });
  return {
    dialect,
    query: reader.query,
    now,
    tx: (_keys, fn) => group.tx(fn),
    listen: wakes.listen,
    commits: () => commits,
    close: async () => {
      await group.close();
      reader.close();
      writer.database.close();
    },
  };
}

function configure(database: Database.Database): void {
  database.pragma("journal_mode = wal");
  database.pragma("synchronous = full");
  database.pragma("foreign_keys = on");
  database.pragma("temp_store = memory");
  // 80 MB. Beside a server a thread copies them much earlier, see `startCheckpoints`, but starts the log anew only in a lull.
  database.pragma("wal_autocheckpoint = 20000");
  // While somebody looks at a snapshot it grows and grows; when it starts anew, the room beyond 128 MB is given back.
  database.pragma(`journal_size_limit = ${128 << 20}`);
}

interface Last {
  readonly id: string;
  readonly at: number;
}

/** The log's last event, so that neither `now_ms()` nor ids start behind one; undefined for a new file. */
function lastEvent(database: Database.Database): Last | undefined {
  const exists = database
    .prepare("select 1 from sqlite_master where type = 'table' and name = 'events'")
    .get();
  if (exists === undefined) return undefined;
  return database.prepare("select id, at from events order by seq desc limit 1").get() as
    | Last
    | undefined;
}

/** Listeners of one process; wake-ups of the same turn of the event loop become one. */
function wakeList(): { wake(): void; listen: Db["listen"] } {
  const listeners = new Set<() => void>();
  let pending = false;
  const wake = (): void => {
    if (pending || listeners.size === 0) return;
    pending = true;
    setImmediate(() => {
      pending = false;
      for (const listener of listeners) listener();
    });
  };
  const listen: Db["listen"] = (onWake) => {
    const listener = (): void => onWake();
    listeners.add(listener);
    return Promise.resolve(() => {
      listeners.delete(listener);
      return Promise.resolve();
    });
  };
  return { wake, listen };
}
