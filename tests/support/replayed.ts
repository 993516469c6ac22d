import { expect } from "vitest";
import type { Db } from "../../storage/db.ts";
import type { Projection } from "../../storage/log.ts";
import { diffProjections } from "../../storage/projection-diff.ts";
import { replay } from "../../storage/replay.ts";
import type { Driver } from "./drivers.ts";
import { openMigrated } from "./log-bench.ts";

/** A replay of the log into an empty database of the driver gives the same projections. */
export async function expectReplayed(
  driver: Driver,
  db: Db,
  projections: readonly Projection[],
): Promise<void> {
  const copy = await openMigrated(driver);
  try {
    await replay(db, copy.db, projections);
    const tables = projections.flatMap((projection) => projection.tables);
    expect(await diffProjections(db, copy.db, tables)).toBeNull();
  } finally {
    await copy.close();
  }
}
