import { expect } from "vitest";
import { reservationsProjection } from "../../reservations/projection.ts";
import type { Db } from "../../storage/db.ts";
import { migrate } from "../../storage/migrate.ts";
import { diffProjections } from "../../storage/projection-diff.ts";
import { replay } from "../../storage/replay.ts";
import type { Driver } from "../support/drivers.ts";

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
