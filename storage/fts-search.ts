import { partiesFor } from "./fts-parties.ts";
import { ftsQuery } from "./fts-query.ts";
import { type Found, type Hit, MAX_RANKED, type SearchRequest, type Searcher } from "./search.ts";

const SNIPPET = "snippet(documents, -1, '**', '**', '…', 16)";
const SHARE = `select coalesce(sum(documents), 0) as seen, (select documents from progress) as total
  from parties where party in (select value from json_each($1))`;
/** Whoever may see at least one of so many messages finds a page soon by looking at every match. */
const FEW = 4;

type Rows = <R>(text: string, values: readonly unknown[]) => R[];

/** What FTS5 is asked. */
interface Asked {
  /** The words, as the caller gave them: what the snippets show. */
  readonly words: string | null;
  /** What the rows must match, the words included; null: no more than the condition. */
  readonly matches: string | null;
  /** What they must not. */
  readonly unless: string | null;
}

/** Searches the index file of `FtsDocuments`, through a connection with the main database beside it. */
export function searchDocuments(rows: Rows, request: SearchRequest): Found {
  const asked = asks(rows, request);
  const { words, matches } = asked;
  if (words === null || matches === null || request.order === "recent")
    return { hits: find(rows, request, asked), newestOnly: false };
  // To compare every message that holds a common word would take longer the more mail there is.
  return fitMoreThan(rows, MAX_RANKED, matches)
    ? rankNewest(rows, request, { words, matches })
    : { hits: find(rows, request, asked), newestOnly: false };
}

function asks(rows: Rows, { text, searcher }: SearchRequest): Asked {
  const query = text === null ? { matches: null, unless: null } : ftsQuery(text);
  const words = query.matches === null ? null : `{subject body} : (${query.matches})`;
  const parties = partiesAmong(rows, searcher);
  const matches = [words, parties].filter((part) => part !== null).join(" AND ");
  return {
    words,
    matches: matches === "" ? null : matches,
    unless:
      query.matches === null && query.unless !== null ? `{subject body} : (${query.unless})` : null,
  };
}

/** Narrows a query to what the searcher may see, where that is little: else it would only cost. */
function partiesAmong(rows: Rows, searcher: Searcher): string | null {
  const parties = partiesFor(searcher);
  if (parties === null) return null;
  const [share = { seen: 0, total: 0 }] = rows<{ seen: number; total: number }>(SHARE, [
    JSON.stringify(parties),
  ]);
  return share.seen * FEW < share.total ? `parties : (${parties.join(" OR ")})` : null;
}

function fitMoreThan(rows: Rows, count: number, matches: string): boolean {
  const text = "select 1 from documents where documents match $1 limit 1 offset $2";
  return rows(text, [matches, count]).length > 0;
}

/** Looks at everything that fits, by its rank, or from the newest on. */
function find(rows: Rows, request: SearchRequest, { words, matches, unless }: Asked): Hit[] {
  if (matches === null && unless === null) return newest(rows, request);
  const { where, values, order, limit, skip } = request;
  const bound = [...values];
  const bind = (value: unknown): string => `$${bound.push(value)}`;
  const conditions = [
    ...(matches === null ? [] : [`documents match ${bind(matches)}`]),
    ...(unless === null
      ? []
      : [
          `documents.rowid not in (select rowid from documents where documents match ${bind(unless)})`,
        ]),
    where,
  ];
  const ranked = words !== null && order === "relevance";
  // The cross join keeps the index outside: its rows come in order, and the limit ends the work.
  const page = rows<Placed>(
    `select m.id as id, documents.rowid as place
     from documents cross join p_messages m on m.id = documents.id
     where ${conditions.join(" and ")}
     order by ${ranked ? "rank" : "documents.rowid desc"} limit ${bind(limit)} offset ${bind(skip)}`,
    bound,
  );
  return withSnippets(rows, page, words);
}

function newest(rows: Rows, { where, values, limit, skip }: SearchRequest): Hit[] {
  const param = (offset: number): string => `$${values.length + offset}`;
  return rows<Hit>(
    `select m.id, null as snippet from p_messages m where ${where}
     order by m.id desc limit ${param(1)} offset ${param(2)}`,
    [...values, limit, skip],
  );
}

/** Compares the newest messages that fit the query and the condition. */
function rankNewest(
  rows: Rows,
  { where, values, limit, skip }: SearchRequest,
  { words, matches }: { readonly words: string; readonly matches: string },
): Found {
  const param = (offset: number): string => `$${values.length + offset}`;
  const page = rows<Placed & { fit: number }>(
    `select id, place, count(*) over () as fit
     from (select m.id as id, documents.rowid as place, documents.rank as score
           from documents cross join p_messages m on m.id = documents.id
           where documents match ${param(1)} and ${where}
           order by documents.rowid desc limit ${MAX_RANKED})
     order by score, place desc
     limit ${param(2)} offset ${param(3)}`,
    [...values, matches, limit, skip],
  );
  return { hits: withSnippets(rows, page, words), newestOnly: page[0]?.fit === MAX_RANKED };
}

interface Placed {
  readonly id: string;
  readonly place: number;
}

/** Looks up the snippets of a page only, and by the words alone: nobody shall read who the parties are. */
const withSnippets = (rows: Rows, page: readonly Placed[], words: string | null): Hit[] =>
  page.map(({ id, place }) => ({
    id,
    snippet: words === null ? null : snippet(rows, words, place),
  }));

function snippet(rows: Rows, words: string, place: number): string | null {
  // A number is bound as a real one, and FTS5 looks for whole ones only: by another it would find every row.
  const [row] = rows<{ snippet: string }>(
    `select ${SNIPPET} as snippet from documents
     where documents match $1 and rowid = cast($2 as integer)`,
    [words, place],
  );
  return row?.snippet ?? null;
}
