import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expandBraces } from "../../contract/pattern/braces.ts";
import { covers, parsePattern, reachesBelow } from "../../contract/pattern/pattern.ts";
import { Resource } from "../../contract/resource.ts";
import { formatResource, parseResource } from "../../contract/resource-text.ts";
import { commonPath } from "../../reservations/pattern/overlap.ts";

const texts = (pattern: string) => parsePattern(pattern).alternatives.map(({ text }) => text);
const meet = (a: string, b: string) => commonPath(parsePattern(a), parsePattern(b));

describe("a file pattern", () => {
  it("has one form, relative to the root of the repository", () => {
    expect(texts("./src//api/../lib/a.ts")).toEqual(["src/lib/a.ts"]);
    expect(texts("docs/")).toEqual(["docs"]);
    expect(texts("src/{a,b/}")).toEqual(["src/a", "src/b"]);
    expect(texts(".")).toEqual(["**"]);
    expect(texts("cafe\u0301")).toEqual(["caf\u00e9"]);
  });

  it.each([
    ["", "is empty"],
    ["/etc/passwd", "is absolute"],
    ["../x", "leads out of the repository"],
    ["a/../../x", "leads out of the repository"],
    ["*/../x", "has .. after *"],
    ["!src", "starts with !"],
    [":(top)src", "has pathspec magic"],
    ["src/[ab", "has a [ without a ]"],
    ["src/[a/b]", "has a [ without a ]"],
    ["a\\/b", "escapes a slash"],
    ["a\\", "ends with a backslash"],
    ["[[:letter:]]", "has the unknown class [:letter:]"],
    ["[é]", "beyond ASCII in a class"],
    ["a\u0000b", "has a control character"],
    ["a\ud800", "is not valid Unicode"],
    ["a\ufffd", "is not valid Unicode"],
    [".git/hooks/*", "is about .git"],
    ["src/*/", "write src/*/**"],
    ["{1..9}", "has a range in braces"],
    ["{a,b}".repeat(7), "stands for more than 64 patterns"],
  ])("%j is refused, saying why", (pattern, why) => {
    const refused = () => meet(pattern, "zzz");
    expect(refused).toThrow(expect.objectContaining({ code: "UNPROCESSABLE" }) as Error);
    try {
      refused();
    } catch (error) {
      const { message, next } = error as { message: string; next: string };
      expect(`${message}; ${next}`).toContain(why);
    }
  });

  it("expands braces as bash does", () => {
    const piece = fc.constantFrom("a", "b", "{", "}", ",", "{a,b}", "{,c}", "x{d,{e,f}}");
    const text = fc.array(piece, { minLength: 1, maxLength: 6 }).map((all) => all.join(""));
    const cases = fc.sample(text, { numRuns: 300, seed: 7 }).filter((one) => one.length < 30);
    const script = cases.map((one) => `printf '%s ' ${one}; echo`).join("\n");
    const lines = execFileSync("bash", ["-c", script], { encoding: "utf8" }).split("\n");
    const wrong = cases.flatMap((one, i) => {
      const bash = [...new Set(lines[i]?.trim().split(" "))];
      const ours = expandBraces(one).filter((part) => part !== "");
      return JSON.stringify(bash) === JSON.stringify(ours) ? [] : [[one, bash, ours]];
    });
    expect(wrong).toEqual([]);
  });

  it("covers a plain path and everything below it, dotfiles too", () => {
    expect(covers(parsePattern("src"), "src/.env")).toBe(true);
    expect(covers(parsePattern("src"), "src2/a")).toBe(false);
    expect(covers(parsePattern("*"), ".env")).toBe(true);
    expect(covers(parsePattern("**/*.ts"), "a.ts")).toBe(true);
    expect(covers(parsePattern("app/[id]/page.tsx"), "app/[id]/page.tsx")).toBe(true);
    expect(covers(parsePattern("caf\u00e9"), "cafe\u0301/menu")).toBe(true);
  });
  it("reaches below exactly the folders that it meets with all below them", () => {
    const patterns = [
      "src",
      "src/a.ts",
      "src/*",
      "src/**",
      "src/**/*.ts",
      "**/x/y",
      "*/lib/?",
      "s*/{lib,x}/a",
      "caf\u00e9/m",
    ];
    const folders = [
      "src",
      "src/lib",
      "src/a.ts",
      "docs",
      "lib",
      "src/x/y",
      "sr",
      "x",
      "cafe\u0301",
    ];
    for (const pattern of patterns) {
      for (const folder of folders)
        expect(reachesBelow(parsePattern(pattern), folder), `${pattern} below ${folder}`).toBe(
          meet(pattern, `${folder}/**`) !== null,
        );
      expect(reachesBelow(parsePattern(pattern), ""), pattern).toBe(true);
    }
  });
});

describe("two patterns", () => {
  it.each([
    ["src/a.ts", "src/**", "src/a.ts"],
    ["src/api/**", "src/**", "src/api/a"],
    ["src/*.py", "src/a*", "src/a.py"],
    ["src/**/x.py", "src/lib/**", "src/lib/x.py"],
    ["src/a.py", "src", "src/a.py"],
    ["#x", "#x", "#x"],
    ["docs/", "docs", "docs"],
    ["{src,docs}/a", "docs/*", "docs/a"],
  ])("%s and %s meet at %s, both ways", (a, b, witness) => {
    expect([meet(a, b), meet(b, a)]).toEqual([witness, witness]);
  });

  it.each([
    ["src/**/*.ts", "src/**/*.md"],
    ["src/*", "src/lib/x"],
    ["a?c", "ac"],
    ["[!a]b", "ab"],
    ["src", "src2"],
    ["**/a.ts", "*/b.ts"],
    ["src/x", "*/y"],
  ])("%s and %s do not meet", (a, b) => {
    expect([meet(a, b), meet(b, a)]).toEqual([null, null]);
  });

  it.each([
    ["src/[ab]", "**/x.ts", "src/[ab]/x.ts"],
    ["**/b", "b", "b"],
    ["a**/b", "*ab", "ab"],
    ["a**/b.ts", "{ab.ts,c}", "ab.ts"],
    ["*\\.ts", "**/x.ts", "x.ts"],
    ["src", "**/x.json", "src/x.json"],
    ["src/x", "src/?", "src/x"],
  ])("%s and %s meet at %s", (a, b, witness) => {
    expect([meet(a, b), meet(b, a)]).toEqual([witness, witness]);
  });

  it("that are too much work to compare are refused by name", () => {
    const monster = `${"*a".repeat(1_500)}*`;
    expect(() => meet(monster, `${monster}b`)).toThrow(/too much work/);
  });
});

describe("a resource as text", () => {
  it.each(["model:", "cell:", "gpu:", "gpu:node", "slot:"])("%s names nothing", (text) => {
    expect(Resource.safeParse(parseResource(text, "app")).success).toBe(false);
  });

  it.each([
    "slot:x",
    "./model:",
    "./slot:x",
    "gpu:node/uuid",
    "./gpu:x",
    "model:m@1",
    "src/slot:x",
  ])("%s is shown as it can be written", (text) => {
    const resource = parseResource(text, "app");
    const normal =
      resource.kind === "file"
        ? { ...resource, pattern: parsePattern(resource.pattern).text }
        : resource;
    expect(formatResource(normal)).toBe(text);
  });
});
