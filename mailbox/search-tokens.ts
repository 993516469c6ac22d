const KEYS = ["from", "to", "thread", "importance", "before", "after", "has"] as const;

export type FilterKey = (typeof KEYS)[number];

export type Token =
  | { readonly kind: "(" }
  | { readonly kind: ")" }
  | { readonly kind: "and" }
  | { readonly kind: "or" }
  | { readonly kind: "not" }
  | { readonly kind: "phrase"; readonly text: string; readonly prefix: boolean }
  | { readonly kind: "keyed"; readonly key: FilterKey; readonly value: string };

/** Alternatives in the order in which they are tried; the last takes what no other does. */
const TOKEN =
  /\s+|(?<paren>[()])|(?<key>from|to|thread|importance|before|after|has):(?:"(?<quotedValue>[^"]*)"|(?<value>[^\s()"]+))|"(?<quoted>[^"]*)(?:"|$)(?<quotedStar>\*?)|(?<minus>-)(?=[^\s-])|(?<word>[^\s()"]+)|[^]/giu;

const WORDS = { AND: "and", OR: "or", NOT: "not" } as const;

/** A filter that lacks its value, such as `from:`. */
export const isBareKey = (word: string): boolean =>
  word.endsWith(":") && isKey(word.slice(0, -1).toLowerCase());

const isKey = (key: string): key is FilterKey => KEYS.some((known) => known === key);

/** Cuts a query into words, phrases, operators and filters. */
export function lex(text: string): Token[] {
  const tokens: Token[] = [];
  for (const { groups = {}, index } of text.matchAll(TOKEN)) {
    const token = tokenOf(groups, index === 0 || /[\s(]/.test(text[index - 1] ?? ""));
    if (token !== null) tokens.push(token);
  }
  return tokens;
}

type Groups = Readonly<Record<string, string | undefined>>;

/** @param starts whether it begins a word: a minus or a key within one is part of it */
function tokenOf(groups: Groups, starts: boolean): Token | null {
  const { paren, key, minus, quoted, quotedStar, word } = groups;
  if (paren === "(" || paren === ")") return { kind: paren };
  if (key !== undefined) return keyed(key.toLowerCase(), groups);
  if (minus !== undefined) return starts ? { kind: "not" } : null;
  if (quoted !== undefined) return { kind: "phrase", text: quoted, prefix: quotedStar === "*" };
  return word === undefined ? null : wordToken(word);
}

function keyed(key: string, { quotedValue, value }: Groups): Token | null {
  return isKey(key) ? { kind: "keyed", key, value: quotedValue ?? value ?? "" } : null;
}

function wordToken(word: string): Token {
  if (word === "AND" || word === "OR" || word === "NOT") return { kind: WORDS[word] };
  const prefix = word.length > 1 && word.endsWith("*");
  return { kind: "phrase", text: prefix ? word.slice(0, -1) : word, prefix };
}
