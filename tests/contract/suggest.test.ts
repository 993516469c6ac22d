import { describe, expect, it } from "vitest";
import { closest } from "../../contract/suggest.ts";

describe("the name that a misspelt one most likely meant", () => {
  const names = ["blue", "red", "green", "perf-team", "Gray"];

  it.each([
    ["bleu", "blue"],
    ["BLUE2", "blue"],
    ["grene", "green"],
    ["perf-taem", "perf-team"],
    ["perfteem", "perf-team"],
    ["gary", "Gray"],
    ["zzz", undefined],
    ["", undefined],
  ])("is for %j %j", (word, meant) => {
    expect(closest(word, names)).toBe(meant);
  });

  it("is the nearest of several, the first of those", () => {
    expect(closest("node-1", ["node-22", "node-2", "node-3"])).toBe("node-2");
  });

  it("is no more than three edits away, however long it is", () => {
    const name = "the-agent-that-sums-up-the-day";
    expect(closest(name.slice(3), [name])).toBe(name);
    expect(closest(name.slice(4), [name])).toBeUndefined();
  });
});
