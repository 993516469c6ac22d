import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldCase } from "../../contract/pattern/fold.ts";
import { covers, parsePattern } from "../../contract/pattern/pattern.ts";
import type { Resource } from "../../contract/resource.ts";
import { commonOf } from "../../reservations/demand.ts";
import { keysOf } from "../../reservations/keys.ts";
import { callBudget, commonPath } from "../../reservations/pattern/overlap.ts";

const SEED = 20_261_121;
const PATTERNS = 200;

/** A piece of a pattern with the regular expression that says the same. */
type Piece = readonly [pattern: string, regex: string];

const plain = fc.constantFrom<Piece>(["a", "a"], ["A", "A"], ["b", "b"], ["B", "B"], ["\\A", "A"]);
const wild = fc.constantFrom<Piece>(
  ["*", "[^/]*"],
  ["?", "[^/]"],
  ["[A]", "[A]"],
  ["[aB]", "[aB]"],
  ["[A-B]", "[A-B]"],
  ["[[:upper:]]", "[A-Z]"],
  ["[!a]", "[^a/]"],
  ["[^B]", "[^B/]"],
  ["[!A-Z]", "[^A-Z/]"],
);
const segment = fc
  .array(fc.oneof({ weight: 3, arbitrary: plain }, { weight: 2, arbitrary: wild }), {
    minLength: 1,
    maxLength: 2,
  })
  .map((pieces): Piece => {
    const [patterns, regexes] = [0, 1].map((side) => pieces.map((piece) => piece[side]).join(""));
    return [patterns ?? "", regexes ?? ""];
  });

/** A pattern, and what it covers as JavaScript understands it without case. */
const sample = fc
  .tuple(
    fc.array(segment, { minLength: 1, maxLength: 3 }),
    fc.constantFrom("", "first", "last"),
    fc.boolean(),
  )
  .map(([segments, deep, braces]) => {
    const [text, regex] = [0, 1].map((side) => segments.map((one) => one[side]).join("/"));
    const before = deep === "first" ? ["**/", "(?:.*/)?"] : ["", ""];
    const behind = deep === "last" ? ["/**", "/.+"] : ["", ""];
    const either = braces ? ["{a,B}/", "(?:a|B)/"] : ["", ""];
    const pattern = `${before[0]}${text}${behind[0]}`;
    // Without * and ? a pattern also stands for the path of that name and all below it, as git has it.
    const name = pattern.replaceAll(/[[\]\\^]/g, String.raw`\$&`);
    const literal = /[*?]/.test(pattern) ? "" : `|${name}(?:/.*)?`;
    return {
      pattern: `${either[0]}${pattern}`,
      regex: `^${either[1]}(?:${before[1]}${regex}${behind[1]}${literal})$`,
    };
  });

const SEGMENTS = ["a", "A", "b", "B", "aB", "Ab", "BB", "aa"];
const pathsTo = (depth: number): string[] =>
  depth === 0
    ? [""]
    : SEGMENTS.flatMap((one) => [one, ...pathsTo(depth - 1).map((rest) => `${one}/${rest}`)]);
const PATHS = [...new Set(pathsTo(3))].filter((path) => !path.endsWith("/"));

const file = (pattern: string, ignoreCase?: true): Resource => ({
  kind: "file",
  repo: "app",
  pattern,
  ...(ignoreCase ? { ignoreCase } : {}),
});

describe("in a repository that ignores case", () => {
  it("two patterns meet exactly when some path fits both in any case, for 20,000 random pairs", () => {
    const samples = fc.sample(sample, { numRuns: PATTERNS, seed: SEED });
    const all = samples.map(({ pattern, regex }) => {
      const test = new RegExp(regex, "i");
      return { pattern, test, paths: new Set(PATHS.filter((path) => test.test(path))) };
    });
    const wrong: unknown[] = [];
    let meeting = 0;
    for (const [i, a] of all.entries()) {
      for (const b of all.slice(i)) {
        const one = commonPath(parsePattern(a.pattern, true), parsePattern(b.pattern, true));
        const other = commonPath(parsePattern(b.pattern, true), parsePattern(a.pattern, true));
        if ((one === null) !== (other === null)) wrong.push([a.pattern, b.pattern, "one way"]);
        if (one === null) {
          const common = [...a.paths].find((path) => b.paths.has(path));
          if (common !== undefined) wrong.push([a.pattern, b.pattern, "no", common]);
          continue;
        }
        meeting += 1;
        for (const path of [one, one.toUpperCase()])
          if (!a.test.test(path) || !b.test.test(path)) wrong.push([a.pattern, b.pattern, path]);
        const [of, from] = [
          keysOf(file(a.pattern), "default").keys,
          keysOf(file(b.pattern), "default").keys,
        ];
        if (!of.some((x) => from.some((y) => x.startsWith(y) || y.startsWith(x))))
          wrong.push([a.pattern, b.pattern, "not in the index"]);
      }
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(meeting).toBeGreaterThan(2_000);
    expect(meeting).toBeLessThan(18_000);
    const disagreeing = all.flatMap(({ pattern, paths }) =>
      PATHS.filter((path) => covers(parsePattern(pattern, true), path) !== paths.has(path)).map(
        (path) => [pattern, path],
      ),
    );
    expect(disagreeing.slice(0, 10)).toEqual([]);
  });

  it.each([
    ["Straße", "STRAßE"],
    ["ΟΔΟΣ", "οδος"],
    ["É", "e\u0301"],
    ["\u212Aelvin", "kelvin"],
    ["H\u0331", "\u1E96"],
    ["App/[ID]/x", "app/[id]/X"],
  ])("%s and %s are one path", (a, b) => {
    expect(commonPath(parsePattern(a, true), parsePattern(b, true))).not.toBeNull();
    expect(covers(parsePattern(a, true), b)).toBe(true);
    expect(commonPath(parsePattern(a), parsePattern(b))).toBe(null);
  });

  it("a name in one case is the same in one case", () => {
    const letters = Array.from({ length: 0x1_ffff }, (_, code) => code)
      .filter((code) => code < 0xd8_00 || code > 0xdf_ff)
      .map((code) => String.fromCodePoint(code).normalize("NFC"));
    expect(letters.filter((one) => foldCase(foldCase(one)) !== foldCase(one))).toEqual([]);
    expect(letters.filter((one) => one !== "/" && foldCase(one).includes("/"))).toEqual([]);
  });

  it("what was reserved before meets what is reserved since, and its like by its own rule", () => {
    const meet = (a: Resource, b: Resource) => commonOf(a, b, callBudget());
    expect(meet(file("Src/**"), file("src/a", true))).toBe("src/a");
    expect(meet(file("src/a", true), file("Src/**"))).toBe("src/a");
    expect(meet(file("Src/**"), file("src/a"))).toBe(null);
  });
});
