import { afterEach, beforeEach, expect } from "vitest";
import { reservationsProjection } from "../../reservations/projection.ts";
import type { Db } from "../../storage/db.ts";
import { migrate } from "../../storage/migrate.ts";
import { diffProjections } from "../../storage/projection-diff.ts";
import { replay } from "../../storage/replay.ts";
import type { Driver } from "../support/drivers.ts";
import { type Bench, openReservations } from "./support.ts";

/** A replay of the log into an empty database gives the same projections. */
export async function expectReplayed(driver: Driver, db: Db): Promise<void> {
  const empty = await driver.open();
  try {
    await migrate(empty.db);
    await replay(db, empty.db, [reservationsProjection]);
    expect(await diffProjections(db, empty.db, reservationsProjection.tables)).toBeNull();
  } finally {
    await empty.close();
  }
}

/** The reservations domain over an empty database for each test of a suite, replayed after it; asked for within a test. */
export function benchForEach(driver: Driver): () => Bench {
  let bench: Bench;
  beforeEach(async () => {
    bench = await openReservations(driver);
  });
  afterEach(async () => {
    await expectReplayed(driver, bench.log.db);
    await bench.close();
  });
  return () => bench;
}
