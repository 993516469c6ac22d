import { afterEach, beforeEach } from "vitest";
import type { Db } from "../../storage/db.ts";
import type { DeadlineKinds } from "../../storage/deadlines.ts";
import { type EventLog, openLog } from "../../storage/event-log.ts";
import type { LogTx, Projection } from "../../storage/log.ts";
import { migrate } from "../../storage/migrate.ts";
import type { TestClock } from "./clock.ts";
import type { Driver, OpenedDb } from "./drivers.ts";

const TABLES =
  "create table p_tallies (name text primary key, total bigint not null, last text not null)";

/** Adds up numbers by name: the smallest projection that depends on order and on earlier state. */
export const tallies: Projection = {
  name: "tallies",
  tables: ["p_tallies"],
  apply: {
    "tally.added": async (query, event) => {
      const { name, n } = event.body as { name: string; n: number };
      await query(
        `insert into p_tallies (name, total, last) values ($1, $2, $3)
         on conflict (name) do update set total = 2 * p_tallies.total + excluded.total, last = excluded.last`,
        [name, n, event.id],
      );
    },
  },
};

/** An event log with one projection over an open database. */
export interface Bench {
  readonly log: EventLog;
  readonly db: Db;
  readonly clock: TestClock;
  readonly driver: Driver;
  /** Opens another log over the same database, with these deadline kinds. */
  readonly withDeadlines: (deadlines: DeadlineKinds) => EventLog;
  /** The places of all events. */
  readonly seqs: () => Promise<number[]>;
}

/** Gives each test of the surrounding `describe` a new bench. */
export function useBench(driver: Driver): () => Bench {
  let opened: OpenedDb;
  beforeEach(async () => {
    opened = await openMigrated(driver);
  });
  afterEach(() => opened.close());
  return () => makeBench(driver, opened);
}

function makeBench(driver: Driver, { db, clock }: OpenedDb): Bench {
  const withDeadlines = (deadlines: DeadlineKinds): EventLog =>
    openLog({ db, projections: [tallies], deadlines });
  const seqs = async (): Promise<number[]> =>
    (await db.query<{ seq: number }>("select seq from events order by seq")).map(({ seq }) => seq);
  return { log: withDeadlines({}), db, clock, driver, withDeadlines, seqs };
}

/** An open database with the product's tables and the projection's. */
export async function openMigrated(driver: Driver): Promise<OpenedDb> {
  const opened = await driver.open();
  await migrate(opened.db);
  await opened.db.tx([], (query) => query(TABLES));
  return opened;
}

/** Appends one event of the projection. */
export const add = (tx: LogTx, name = "a", n = 1): ReturnType<LogTx["append"]> =>
  tx.append({
    type: "tally.added",
    project: "default",
    actor: "agent:default/a",
    body: { name, n },
  });
