import type { TextQuery } from "./search.ts";

/**
 * A query as FTS5 takes it. FTS5 has no complement, only `a NOT b`: `matches` is null for a query that is true of texts
 * for what they do not hold, and then `unless` says what that is.
 */
export type FtsQuery =
  | { readonly matches: string }
  | { readonly matches: null; readonly unless: string };

/** Compiles a query; every word is quoted, so that nothing in it is an operator to FTS5. */
export function ftsQuery(query: TextQuery): FtsQuery {
  switch (query.kind) {
    case "phrase":
      return { matches: `${quoted(query.text)}${query.prefix ? "*" : ""}` };
    case "not":
      return complement(ftsQuery(query.of));
    case "and":
      return query.of.map(ftsQuery).reduce(both);
    case "or":
      return complement(query.of.map((one) => complement(ftsQuery(one))).reduce(both));
  }
}

/** A NUL would end the query for FTS5; no text holds one. */
const quoted = (text: string): string => `"${text.replaceAll("\0", " ").replaceAll('"', '""')}"`;

const complement = (query: FtsQuery): FtsQuery =>
  query.matches === null ? { matches: query.unless } : { matches: null, unless: query.matches };

function both(a: FtsQuery, b: FtsQuery): FtsQuery {
  if (a.matches !== null && b.matches !== null)
    return { matches: `(${a.matches} AND ${b.matches})` };
  if (a.matches !== null && b.matches === null)
    return { matches: `(${a.matches} NOT ${b.unless})` };
  if (a.matches === null && b.matches !== null)
    return { matches: `(${b.matches} NOT ${a.unless})` };
  if (a.matches === null && b.matches === null)
    return { matches: null, unless: `(${a.unless} OR ${b.unless})` };
  return a;
}
