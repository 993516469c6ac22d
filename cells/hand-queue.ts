import type { Query } from "../storage/db.ts";
import { lanesOf, pagesOf, type RunPage } from "./claim-store.ts";

const QUEUED = `select id, ord from p_runs
  where id = $1 and project = $2 and ($3 = '' or sweep = $3) and state = 'queued'`;
const QUEUES = `select id from p_queues
  where closed = 0 and project = $1 and ($2 = '' or sweep = $2) and open > taken
  order by priority desc, submitted_at, id`;

/** What somebody who works by hand asks for; `""`: any. */
export interface Wanted {
  readonly sweep: string;
  readonly run: string;
}

/** The queued runs to give to somebody who works by hand, best first, in pages: queue by queue, as nodes take them. */
export async function* pagesByHand(
  query: Query,
  project: string,
  { sweep, run }: Wanted,
): AsyncGenerator<RunPage> {
  if (run !== "") {
    yield await query<RunPage[number]>(QUEUED, [run, project, sweep]);
    return;
  }
  for (const { id: queue } of await query<{ readonly id: string }>(QUEUES, [project, sweep])) {
    yield* pagesOf(query, { queue, lane: "", after: -1 });
    for (const lane of await lanesOf(query, queue))
      yield* pagesOf(query, { queue, lane, after: -1 });
  }
}
