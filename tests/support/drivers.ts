import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "../../storage/db.ts";
import { openFtsIndex } from "../../storage/search-fts.ts";
import type { SearchIndex } from "../../storage/search.ts";
import { openSqlite } from "../../storage/sqlite.ts";
import { TestClock } from "./clock.ts";

/** An open, empty database of one driver; `close` also removes what it lies on. */
export interface OpenedDb {
  readonly db: Db;
  readonly clock: TestClock;
  /** COMMITs so far, to see that groups share one. */
  readonly commits: () => number;
  /** Closes the database and opens the same data again, with this clock. */
  readonly reopen: (clock: TestClock) => Promise<Db>;
  /** A search index over this database. */
  readonly openSearch: () => SearchIndex;
  readonly close: () => Promise<void>;
}

/** A database driver under test. */
export interface Driver {
  readonly name: string;
  open(): Promise<OpenedDb>;
}

export const sqlite: Driver = {
  name: "sqlite",
  open: async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-db-"));
    const file = join(folder, "gridpost.db");
    const clock = new TestClock();
    let db = openSqlite({ file, clock });
    return {
      db,
      clock,
      commits: () => db.commits(),
      reopen: async (later) => {
        await db.close();
        db = openSqlite({ file, clock: later });
        return db;
      },
      openSearch: () => openFtsIndex({ file: join(folder, "search.db"), source: file }),
      close: async () => {
        await db.close();
        await rm(folder, { recursive: true });
      },
    };
  },
};

/** Every driver that the shared suites run over. */
export const drivers: readonly Driver[] = [sqlite];
