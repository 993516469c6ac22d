import Database from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSearch } from "../../mailbox/search-query.ts";
import { ftsQuery } from "../../storage/fts-query.ts";
import type { TextQuery } from "../../storage/search.ts";

const now = Date.UTC(2026, 10, 20, 12);
const parse = (text: string) => parseSearch(text, now);
const phrase = (text: string, prefix = false): TextQuery => ({ kind: "phrase", text, prefix });

/** Text that is likely to hold operators. */
const queryText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc
    .array(
      fc.constantFrom(
        ...'AND OR NOT ( ) - " * from:a to: before:2h after:x has:attachment importance:hot thread:"t word wo* é \0 \ud800 -- :'.split(
          " ",
        ),
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join(" ")),
);

describe("a search query", () => {
  it("may be any text", () => {
    fc.assert(
      fc.property(queryText, (text) => {
        const parsed = parse(text);
        if (parsed.text !== null) ftsQuery(parsed.text);
      }),
      { numRuns: 2_000 },
    );
  });

  it("joins words with AND, which binds closer than OR, and takes NOT and - before a word", () => {
    expect(parse("a b OR NOT c -d").text).toEqual({
      kind: "or",
      of: [
        { kind: "and", of: [phrase("a"), phrase("b")] },
        {
          kind: "and",
          of: [
            { kind: "not", of: phrase("c") },
            { kind: "not", of: phrase("d") },
          ],
        },
      ],
    });
  });

  it("reads phrases, prefixes and parentheses; a minus within a word is part of it", () => {
    expect(parse('("out of memory" OR mig*) pre-commit').text).toEqual({
      kind: "and",
      of: [
        { kind: "or", of: [phrase("out of memory"), phrase("mig", true)] },
        phrase("pre-commit"),
      ],
    });
  });

  it("takes filters out of the text, alternatives by repeating, and NOT as their contrary", () => {
    const { text, wanted, unwanted, notes } = parse(
      'oom from:blue from:red -thread:"plan b" before:2026-11-01 after:2d has:attachment',
    );
    expect(text).toEqual(phrase("oom"));
    expect(wanted).toMatchObject({
      from: ["blue", "red"],
      before: [Date.UTC(2026, 10, 1)],
      after: [now - 2 * 86_400_000],
      attachment: [true],
    });
    expect(unwanted.thread).toEqual(["plan b"]);
    expect(notes).toEqual([]);
  });

  it.each([
    ["importance:hot", "low, normal, high or urgent"],
    ["before:yesterday", "2026-11-20"],
    ["has:link", "has:attachment"],
    ["(a OR from:b)", "whole query"],
    ["a )", "without its ("],
    ["( a", "without its )"],
    ["a NOT", "NOT without a word"],
    ["from: blue", "from: has no value"],
    ["a OR b from:blue", "both sides of OR"],
    ["thread:x OR from:y", "both sides of OR"],
    ["a !!!", "no letter or digit"],
  ])("explains what it did not understand in %s", (text, words) => {
    expect(parse(text).notes.join("; ")).toContain(words);
  });

  it("says nothing where alternatives are of one filter, which they may be", () => {
    const { wanted, notes } = parse("from:red OR from:blue");
    expect([wanted.from, notes]).toEqual([["red", "blue"], []]);
  });
});

describe("a query as FTS5 takes it", () => {
  /** Whether a text that holds exactly these words fits, by the meaning of the operators. */
  const means = (query: TextQuery, words: ReadonlySet<string>): boolean => {
    switch (query.kind) {
      case "phrase":
        return words.has(query.text);
      case "not":
        return !means(query.of, words);
      case "and":
        return query.of.every((one) => means(one, words));
      case "or":
        return query.of.some((one) => means(one, words));
    }
  };
  const index = new Database(":memory:");
  index.exec("create virtual table texts using fts5(words)");
  const subsets = ["", "a", "b", "c", "a b", "a c", "b c", "a b c"];
  for (const words of subsets) index.prepare("insert into texts values (?)").run(words);
  const found = index.prepare("select words from texts where texts match ?").pluck();

  const query: fc.Arbitrary<TextQuery> = fc.letrec<{ query: TextQuery }>((tie) => ({
    query: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom("a", "b", "c").map((text) => phrase(text)),
      tie("query").map((of): TextQuery => ({ kind: "not", of })),
      fc
        .tuple(
          fc.constantFrom("and" as const, "or" as const),
          fc.array(tie("query"), { minLength: 1, maxLength: 3 }),
        )
        .map(([kind, of]): TextQuery => ({ kind, of })),
    ),
  })).query;

  it("is one to FTS5, whatever the words hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.boolean(), (text, prefix) => {
        const { matches } = ftsQuery(phrase(text, prefix));
        found.all(matches);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is one to FTS5, however deep and long it is", () => {
    const words = (count: number, join: string) =>
      Array.from({ length: count }, (_, i) => `w${i}`).join(join);
    // What stands before each of many parentheses, and between the words behind them.
    const openings = [
      "",
      "-",
      "w ",
      "w OR ",
      "w -",
      "w OR -",
      "w OR w ",
      "-w OR w -",
      "w -w OR w -",
      "-w -w w OR -w ",
    ];
    for (const opening of openings)
      for (const join of [" ", " OR ", " -", " OR -"])
        for (let depth = 0; depth <= 30; depth += 1) {
          const asked = `${`${opening}(`.repeat(depth)}${words(64, join)}`;
          const { text } = parse(asked);
          const compiled = text === null ? { matches: '"w"' } : ftsQuery(text);
          expect(() => found.all(compiled.matches ?? compiled.unless), asked).not.toThrow();
        }
  });

  it("means the same to FTS5", () => {
    fc.assert(
      fc.property(query, (asked) => {
        const compiled = ftsQuery(asked);
        const matched = new Set(found.all(compiled.matches ?? compiled.unless));
        const fits = subsets.filter((words) => matched.has(words) === (compiled.matches !== null));
        expect(fits).toEqual(subsets.filter((words) => means(asked, new Set(words.split(" ")))));
      }),
    );
  });
});
