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
      return all(query.of.map(ftsQuery));
    case "or":
      return complement(all(query.of.map((one) => complement(ftsQuery(one)))));
  }
}

/** A NUL would end the query for FTS5; no text holds one. */
const quoted = (text: string): string => `"${text.replaceAll("\0", " ").replaceAll('"', '""')}"`;

const complement = (query: FtsQuery): FtsQuery =>
  query.matches === null ? { matches: query.unless } : { matches: null, unless: query.matches };

/** Side by side, not within each other: FTS5's parser takes few levels, but any number of operands in one. */
function all(of: readonly FtsQuery[]): FtsQuery {
  const unless = of.flatMap((one) => (one.matches === null ? [one.unless] : []));
  const [first, ...others] = of.flatMap(({ matches }) => (matches === null ? [] : [matches]));
  if (first === undefined) return { matches: null, unless: joined(unless, "OR") };
  // NOT binds closest: here to the first alone, which limits the whole.
  return { matches: joined([[first, ...unless].join(" NOT "), ...others], "AND") };
}

const joined = (parts: readonly string[], operator: "AND" | "OR"): string =>
  `(${parts.join(` ${operator} `)})`;
