import { parseDuration } from "../contract/units.ts";
import { Importance } from "../contract/events/mailbox.ts";
import type { TextQuery } from "../storage/search.ts";
import { isBareKey, lex, type Token } from "./search-tokens.ts";

const MAX_TERMS = 64;
/** Deeper ones would not fit FTS5's parser, whose stack holds a hundred symbols: each level takes up to six. */
const MAX_DEPTH = 12;

/** What is asked beside the text. Values of one key are alternatives, of several keys conditions. */
export interface SearchFilters {
  readonly from: string[];
  readonly to: string[];
  readonly thread: string[];
  readonly importance: string[];
  /** Milliseconds since the epoch; several: the narrowest. */
  readonly before: number[];
  readonly after: number[];
  readonly attachment: boolean[];
}

export interface ParsedSearch {
  readonly text: TextQuery | null;
  readonly wanted: SearchFilters;
  readonly unwanted: SearchFilters;
  /** What was not understood, and what was made of it. */
  readonly notes: string[];
}

type Keyed = Extract<Token, { kind: "keyed" }>;

/** Reads a query. Any text is one: what cannot be understood is taken literally and explained. */
export function parseSearch(text: string, now: number): ParsedSearch {
  const parser = new Parser(lex(text), now);
  return parser.parse();
}

const noFilters = (): SearchFilters => ({
  from: [],
  to: [],
  thread: [],
  importance: [],
  before: [],
  after: [],
  attachment: [],
});

/** or := and (OR and)*; and := unary (AND? unary)*; unary := NOT unary | "(" or ")" | word */
class Parser {
  private readonly tokens: readonly Token[];
  private readonly now: number;
  private readonly wanted = noFilters();
  private readonly unwanted = noFilters();
  private readonly notes = new Set<string>();
  private at = 0;
  private terms = 0;
  private depth = 0;
  private negated = false;
  private alternatives = false;

  constructor(tokens: readonly Token[], now: number) {
    this.tokens = tokens;
    this.now = now;
  }

  parse(): ParsedSearch {
    const parts: TextQuery[] = [];
    while (this.peek() !== undefined) {
      const part = this.either();
      if (part !== null) parts.push(part);
      if (this.peek()?.kind === ")") {
        this.at += 1;
        this.notes.add("a ) without its ( was left out");
      }
    }
    const { wanted, unwanted, notes } = this;
    const text = join("and", parts);
    const filters = [wanted, unwanted].flatMap((all) => Object.values(all)).filter(isUsed);
    // `from:red OR from:blue` alone means what it says.
    if (this.alternatives && filters.length > (text === null ? 1 : 0))
      notes.add("filters hold for the whole query, on both sides of OR");
    return { text, wanted, unwanted, notes: [...notes] };
  }

  private peek(): Token | undefined {
    return this.tokens[this.at];
  }

  private either(): TextQuery | null {
    const parts = [this.all()];
    while (this.peek()?.kind === "or") {
      this.at += 1;
      this.alternatives = true;
      parts.push(this.all());
    }
    return join("or", parts);
  }

  private all(): TextQuery | null {
    const parts: (TextQuery | null)[] = [];
    for (let token = this.peek(); !ends(token); token = this.peek()) {
      if (token.kind === "and") this.at += 1;
      else parts.push(this.unary(token));
    }
    return join("and", parts);
  }

  private unary(token: Token): TextQuery | null {
    this.at += 1;
    switch (token.kind) {
      case "not":
        return this.negation();
      case "(":
        return this.group();
      case "keyed":
        return this.keyed(token);
      case "phrase":
        if (isBareKey(token.text))
          this.notes.add(`${token.text} has no value behind it and was searched as text`);
        return this.term(token.text, token.prefix);
      default:
        return null;
    }
  }

  private negation(): TextQuery | null {
    const token = this.peek();
    if (ends(token)) {
      this.notes.add("NOT without a word behind it was left out");
      return null;
    }
    this.negated = !this.negated;
    const of = this.unary(token);
    this.negated = !this.negated;
    return of === null ? null : { kind: "not", of };
  }

  private group(): TextQuery | null {
    if (this.depth >= MAX_DEPTH) {
      this.notes.add(`parentheses deeper than ${MAX_DEPTH} were left out`);
      return null;
    }
    this.depth += 1;
    const inner = this.either();
    this.depth -= 1;
    if (this.peek()?.kind === ")") this.at += 1;
    else this.notes.add("a ( without its ) was closed at the end");
    return inner;
  }

  private term(text: string, prefix: boolean): TextQuery | null {
    if (!/[\p{L}\p{N}]/u.test(text)) {
      if (text !== "") this.notes.add(`${text} has no letter or digit and was left out`);
      return null;
    }
    this.terms += 1;
    if (this.terms <= MAX_TERMS) return { kind: "phrase", text, prefix };
    this.notes.add(`only the first ${MAX_TERMS} words were used`);
    return null;
  }

  /** A filter holds for the whole query, wherever it stands in it. */
  private keyed(token: Keyed): TextQuery | null {
    const problem = readFilter(token, this.negated ? this.unwanted : this.wanted, this.now);
    if (problem === null) {
      if (this.depth > 0) this.notes.add(`${token.key}: was applied to the whole query`);
      return null;
    }
    this.notes.add(`${problem}; ${token.key}:${token.value} was searched as text`);
    return this.term(`${token.key} ${token.value}`, false);
  }
}

type Closing = Extract<Token, { kind: ")" }> | Extract<Token, { kind: "or" }>;

const ends = (token: Token | undefined): token is undefined | Closing =>
  token === undefined || token.kind === ")" || token.kind === "or";

const isUsed = (values: readonly unknown[]): boolean => values.length > 0;

function join(kind: "and" | "or", parts: readonly (TextQuery | null)[]): TextQuery | null {
  const of = parts.filter((part) => part !== null);
  const [first] = of;
  if (first === undefined) return null;
  return of.length === 1 ? first : { kind, of };
}

/** Adds a filter; answers what is wrong with it, or null. */
function readFilter({ key, value }: Keyed, filters: SearchFilters, now: number): string | null {
  switch (key) {
    case "from":
    case "to":
    case "thread":
      filters[key].push(value);
      return null;
    case "importance":
      if (!Importance.safeParse(value.toLowerCase()).success)
        return "importance is low, normal, high or urgent";
      filters.importance.push(value.toLowerCase());
      return null;
    case "has":
      if (value.toLowerCase() !== "attachment") return "only has:attachment is known";
      filters.attachment.push(true);
      return null;
    case "before":
    case "after": {
      const at = timeOf(value, now);
      if (at === null) return "a time is 2026-11-20, 2026-11-20T12:00Z, or 2h for two hours ago";
      filters[key].push(at);
      return null;
    }
  }
}

function timeOf(value: string, now: number): number | null {
  const ago = parseDuration(value);
  if (ago !== undefined) return now - ago;
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(value))
    return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : at;
}
