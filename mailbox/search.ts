import type { Handlers } from "../contract/handlers.ts";
import { newId, toTime } from "../contract/ids.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { type Hit, MAX_RANKED, type SearchIndex } from "../storage/search.ts";
import { searchCondition } from "./search-condition.ts";
import { parseSearch } from "./search-query.ts";
import { viewerOf } from "./visibility.ts";

/** Further down nobody looks, and each page costs the ones before it. */
const MAX_DEPTH = 2_000;
const SNIPPET_CHARS = 120;
const NEWEST_ONLY = `many messages fit: the newest ${MAX_RANKED} of them were ranked; narrow the search, or list all with order=recent`;
const LISTED_ONLY = `only the first ${MAX_DEPTH} are listed; narrow the search, or go on with before: and a time`;

interface ResultRow {
  readonly id: string;
  readonly thread: string;
  readonly sender: string;
  readonly subject: string;
  readonly start: string;
  readonly at: number;
}

export interface SearchDeps {
  readonly log: EventLog;
  readonly search: SearchIndex;
}

/** The handler of search. */
export function searchHandlers({
  log,
  search,
}: SearchDeps): Pick<Handlers<typeof mailbox>, "search"> {
  const { dialect } = log.db;
  return {
    search: async ({ params: { project }, query: { q, order, after, limit }, principal }) => {
      const viewer = await viewerOf(log.query, principal, project);
      const { text, notes, ...filters } = parseSearch(q, log.now());
      const { skip, newest } = cursorOf(after);
      const { where, values } = searchCondition(dialect, { viewer, newest, ...filters });
      const page = { searcher: viewer, text, where, values, order, skip, limit: limit + 1 };
      const { hits, newestOnly } = await search.search(page);
      const results = await resultsOf(log.query, dialect, hits.slice(0, limit));
      const more = hits.length > limit;
      const ends = more && skip + limit >= MAX_DEPTH;
      return {
        results,
        next: more && !ends ? `${skip + limit}:${newest}` : null,
        notes: [...notes, ...(newestOnly ? [NEWEST_ONLY] : []), ...(ends ? [LISTED_ONLY] : [])],
      };
    },
  };
}

async function resultsOf(query: Query, dialect: Dialect, hits: readonly Hit[]) {
  const rows = await query<ResultRow>(
    `select id, thread, sender, subject, substr(body, 1, ${SNIPPET_CHARS}) as start, at
     from p_messages where id in ${dialect.list("$1")}`,
    [JSON.stringify(hits.map(({ id }) => id))],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return hits.flatMap(({ id, snippet }) => {
    const row = byId.get(id);
    if (row === undefined) return [];
    const { thread, sender, subject, start, at } = row;
    return [{ id, thread, from: sender, subject, snippet: snippet ?? start, sentAt: toTime(at) }];
  });
}

/** A cursor holds how far the caller came and, so that new mail moves nothing, the newest id of the first page. */
function cursorOf(after: string | undefined): { skip: number; newest: string } {
  if (after === undefined) return { skip: 0, newest: newId() };
  const [, skip, newest] = /^(\d{1,4}):([0-9a-f-]{36})$/.exec(after) ?? [];
  if (skip !== undefined && newest !== undefined) return { skip: Number(skip), newest };
  throw new ProblemError("BAD_REQUEST", `after=${after} is no cursor of a search`, {
    next: "use the next of a page of this same search",
  });
}
