import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { covers, parsePattern } from "../../contract/pattern/pattern.ts";
import { commonPath } from "../../reservations/pattern/overlap.ts";

const run = promisify(execFile);
const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
const PATTERNS = 330;
const SEED = 20_261_120;

/** Lists what git itself matches, from indexes without files: one for each depth, as `a` and `a/b` exclude each other. */
class GitMatcher {
  private readonly folder: string;
  private readonly byDepth = new Map<number, string[]>();

  constructor(folder: string) {
    this.folder = folder;
  }

  async add(paths: Iterable<string>): Promise<void> {
    await run("git", ["init", "-q", this.folder]);
    for (const path of new Set(paths)) {
      const depth = path.split("/").length;
      this.byDepth.set(depth, [...(this.byDepth.get(depth) ?? []), path]);
    }
    for (const [depth, some] of this.byDepth) {
      const lines = some.map((path) => `100644 ${EMPTY_BLOB}\t${path}\0`).join("");
      const child = run("git", ["update-index", "-z", "--index-info"], this.options(depth));
      child.child.stdin?.end(lines);
      await child;
    }
  }

  /** What `git ls-files ':(glob)…'` lists for a pattern, after the expansion of its braces. */
  async matches(alternatives: readonly string[]): Promise<Set<string>> {
    const specs = alternatives.map((text) => `:(glob)${text}`);
    const lists = await Promise.all(
      [...this.byDepth.keys()].map((depth) =>
        run("git", ["ls-files", "-z", "--", ...specs], this.options(depth)),
      ),
    );
    return new Set(lists.flatMap(({ stdout }) => stdout.split("\0").slice(0, -1)));
  }

  private options(depth: number) {
    return {
      cwd: this.folder,
      env: { ...process.env, GIT_INDEX_FILE: join(this.folder, ".git", `index-${depth}`) },
      maxBuffer: 64 * 2 ** 20,
    };
  }
}

const atom = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a", "b", "c") },
  { weight: 3, arbitrary: fc.constant("*") },
  { weight: 2, arbitrary: fc.constant("?") },
  { weight: 2, arbitrary: fc.constant("**") },
  { weight: 1, arbitrary: fc.constant(".") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "[ab]",
      "[!a]",
      "[^b]",
      "[a-b]",
      "[]a]",
      "[[:alpha:]]",
      "[.*]",
      "[!-~]",
      "[b-]",
      "[\\]c]",
      "[[:]",
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom("\\a", "\\*", "\\[") },
  { weight: 1, arbitrary: fc.constantFrom("{a,b}", "{a,b*}", "{,c}", "{a/b,c}", "{[ab],**}") },
);
const segment = fc.oneof(
  { weight: 2, arbitrary: fc.constant("**") },
  {
    weight: 5,
    arbitrary: fc.array(atom, { minLength: 1, maxLength: 3 }).map((all) => all.join("")),
  },
);
const pattern = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((all) => all.join("/"))
  .filter((text) => {
    try {
      parsePattern(text);
      return true;
    } catch {
      return false;
    }
  });

/** No name has a `*` or `?` here: git takes `a*` also as the name of a directory, a lease does not. */
const SEGMENTS = ["a", "b", "c", "ab", "ba", "abc", ".a", "[ab]"];

function allPaths(depth: number): string[] {
  const last =
    depth === 1 ? [""] : allPaths(depth - 1).filter((p) => p.split("/").length === depth - 1);
  const these = last.flatMap((path) => SEGMENTS.map((s) => (path === "" ? s : `${path}/${s}`)));
  return depth === 1 ? these : [...allPaths(depth - 1), ...these];
}

describe("overlap of two patterns", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-overlap-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("is decided as git matches, for over 50,000 random pairs in both directions", async () => {
    const texts = [...new Set(fc.sample(pattern, { numRuns: PATTERNS * 2, seed: SEED }))];
    const patterns = texts.slice(0, PATTERNS).map((one) => parsePattern(one));
    const paths = allPaths(4);
    const witnesses = patterns.flatMap((a) => patterns.map((b) => commonPath(a, b)));
    const git = new GitMatcher(folder);
    await git.add([...paths, ...witnesses.filter((path) => path !== null)]);
    const matched: Set<string>[] = [];
    for (const { alternatives } of patterns)
      matched.push(await git.matches(alternatives.map(({ text }) => text)));

    const wrong: unknown[] = [];
    let pairs = 0;
    let meeting = 0;
    for (const [i, a] of patterns.entries()) {
      for (const [j, b] of patterns.entries()) {
        if (i < j) pairs += 1;
        const witness = witnesses[i * patterns.length + j] ?? null;
        const [ofA, ofB] = [matched[i] ?? new Set<string>(), matched[j] ?? new Set<string>()];
        if (witness !== null) {
          meeting += 1;
          if (!ofA.has(witness) || !ofB.has(witness)) wrong.push([a.text, b.text, witness]);
        } else {
          const common = [...ofA].find((path) => ofB.has(path) && !/[*?]/.test(path));
          if (common !== undefined) wrong.push([a.text, b.text, "no", common]);
        }
      }
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(pairs).toBeGreaterThanOrEqual(50_000);
    // Both answers are tried in earnest.
    expect(meeting / pairs / 2).toBeGreaterThan(0.1);
    expect(meeting / pairs / 2).toBeLessThan(0.9);

    const some = paths.filter((_, i) => i % 7 === 0);
    const disagreeing = patterns.flatMap((one, i) =>
      some.flatMap((path) =>
        covers(one, path) === matched[i]?.has(path) ? [] : [[one.text, path]],
      ),
    );
    expect(disagreeing).toEqual([]);
  });
});
