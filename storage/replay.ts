import { ProblemError } from "../contract/problem.ts";
import type { Db } from "./db.ts";
import { applyAll, eventsAfter, insertLoggedEvent } from "./events.ts";
import { lastSeq, type Projection } from "./log.ts";

const BATCH = 500;

/**
 * Applies every event of one database, in order, to another that is migrated and empty.
 * @returns how many events there were
 * @throws ProblemError CONFLICT if the second database already has events
 */
export async function replay(
  from: Db,
  into: Db,
  projections: readonly Projection[],
): Promise<number> {
  if ((await lastSeq(into.query)) > 0) {
    throw new ProblemError("CONFLICT", "the database to replay into already has events", {
      next: "replay into a new, migrated database",
    });
  }
  const apply = applyAll(projections);
  let count = 0;
  let seq = 0;
  for (;;) {
    const events = await eventsAfter(from.query, seq, BATCH);
    const last = events.at(-1);
    if (last === undefined) return count;
    await into.tx(["replay"], async (query) => {
      for (const event of events) {
        await insertLoggedEvent(query, event);
        await apply(query, event);
      }
    });
    count += events.length;
    seq = last.seq;
  }
}
