import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, cellIdOf, measuredIdOf, sha256 } from "../../contract/cell/cell-id.ts";
import type { CellSpec } from "../../contract/cell/cell.ts";
import { expandSweep } from "../../contract/cell/expand.ts";
import { RelativePath, SweepFile, type SweepSource } from "../../contract/cell/sweep-file.ts";
import { ProblemError } from "../../contract/problem.ts";

// Its types describe a module that it is not.
const canonicalize = createRequire(import.meta.url)("canonicalize") as (value: unknown) => string;

const FILES = new Map([["k.mjs", { sha256: "a".repeat(64), size: 10 }]]);

/** A sweep with the given matrix, whose command names no axis unless one is given. */
const sweep = (matrix: SweepSource["matrix"], cell: Partial<SweepSource["cell"]> = {}): SweepFile =>
  SweepFile.parse({
    name: "s",
    matrix,
    cell: { command: ["true"], runtime: "process", ...cell },
    metrics: { primary: "performance" },
  });

const axesOf = (one: SweepFile): unknown[] => expandSweep(one, FILES).cells.map(({ axes }) => axes);

const problemsOf = (one: SweepFile): unknown => {
  try {
    return expandSweep(one, FILES).cells.length;
  } catch (error) {
    expect(error).toBeInstanceOf(ProblemError);
    return (error as ProblemError).details.map(
      ({ path, message }) => `${String(path)}: ${String(message)}`,
    );
  }
};

describe("the matrix", () => {
  test("makes one cell of no axes", () => {
    expect(axesOf(sweep({}))).toEqual([{}]);
  });

  test("makes the product of its axes less what is excluded", () => {
    const matrix = { axes: { a: [1, 2], b: ["x", "y"] }, exclude: [{ a: 1, b: "y" }] };
    expect(axesOf(sweep(matrix))).toEqual([
      { a: 1, b: "x" },
      { a: 2, b: "x" },
      { a: 2, b: "y" },
    ]);
  });

  test("adds the values of an include entry where they contradict nothing, else makes a cell of it", () => {
    const axes = { fruit: ["apple", "pear"], animal: ["cat", "dog"] };
    const include = [
      { color: "green" },
      { color: "pink", animal: "cat" },
      { fruit: "apple", shape: "circle" },
      { fruit: "banana" },
      { fruit: "banana", animal: "cat" },
    ];
    expect(axesOf(sweep({ axes, include }))).toEqual([
      { fruit: "apple", animal: "cat", color: "pink", shape: "circle" },
      { fruit: "apple", animal: "dog", color: "green", shape: "circle" },
      { fruit: "pear", animal: "cat", color: "pink" },
      { fruit: "pear", animal: "dog", color: "green" },
      { fruit: "banana" },
      { fruit: "banana", animal: "cat" },
    ]);
  });

  test("is a plain list of cells when it only includes", () => {
    expect(axesOf(sweep({ include: [{ a: 1 }, { a: 2 }, { a: 1 }] }))).toEqual([
      { a: 1 },
      { a: 2 },
    ]);
  });

  test("groups the cells that differ only in the curve axis", () => {
    const { cells, curves } = expandSweep(
      sweep({ axes: { kernel: ["x", "y"], threads: [1, 2] }, curve: "threads" }),
      FILES,
    );
    expect(curves).toEqual([
      { axes: { kernel: "x" }, cells: [cells[0]?.id, cells[1]?.id] },
      { axes: { kernel: "y" }, cells: [cells[2]?.id, cells[3]?.id] },
    ]);
  });

  test("refuses more cells than a sweep may have, before making them", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i);
    expect(problemsOf(sweep({ axes: { a: hundred, b: hundred } }))).toBe(10_000);
    expect(problemsOf(sweep({ axes: { a: hundred, b: hundred, c: [1, 2] } }))).toEqual([
      "matrix: 20000 cells; a sweep has at most 10000",
    ]);
    const axes = { a: hundred, b: hundred, c: hundred, d: hundred };
    expect(problemsOf(sweep({ axes }))).toEqual([
      "matrix: the axes make 100000000 combinations: too many; split the sweep",
    ]);
  });

  test("refuses cells that are too large together, because each holds the template and its axis values", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i);
    const axes = { a: hundred, b: hundred };
    const tooLarge = [
      expect.stringMatching(
        /^matrix: 10000 cells of \d+ bytes; the cells of a sweep have at most 33554432 together/,
      ),
    ];
    const env = { TEXT: "x".repeat(32_768) };
    expect(problemsOf(sweep({ axes }, { env }))).toEqual(tooLarge);
    expect(problemsOf(sweep({ axes: { a: hundred } }, { env }))).toBe(100);
    const long = { ...axes, text: ["x".repeat(256)] };
    expect(problemsOf(sweep({ axes: long }, { command: ["${text}"] }))).toBe(10_000);
    expect(problemsOf(sweep({ axes: long }, { command: ["${text}".repeat(20)] }))).toEqual(
      tooLarge,
    );
    const files = Array.from({ length: 64 }, (_, i) => `${"x".repeat(50)}${i}`);
    expect(problemsOf(sweep({ axes }, { files }))).toEqual(expect.arrayContaining(tooLarge));
  });
});

describe("placeholders", () => {
  test("are replaced in command, variables and image; the node's own are left", () => {
    const one = sweep(
      { axes: { threads: [4] } },
      {
        image: "bench:${threads}",
        runtime: "docker",
        command: ["${files}/k", "${threads}", "${out}/r.json"],
        env: { N: "${threads}" },
      },
    );
    expect(expandSweep(one, FILES).cells[0]).toMatchObject({
      image: "bench:4",
      command: ["${files}/k", "4", "${out}/r.json"],
      env: { N: "4" },
    });
  });

  test("that name no axis, or one that a cell lacks, are refused", () => {
    const unknown = sweep({ axes: { threads: [1] } }, { command: ["${thread}"] });
    expect(problemsOf(unknown)).toEqual([
      'cell.command.0: ${thread} names no axis; did you mean "threads"?; a variable of the shell is written $thread',
    ]);
    const lacking = sweep({ axes: { a: [1] }, include: [{ a: 2, b: 3 }] }, { command: ["${b}"] });
    expect(problemsOf(lacking)).toEqual(['cell.command.0: ${b} has no value in the cell {"a":1}']);
  });
});

test("a cell that takes longer to stop than its node may be silent is refused", () => {
  const stopping = (timeout: string): unknown =>
    problemsOf({
      ...sweep({}, { phases: { stop: { timeout } } }),
      lostAfter: 300_000,
    });
  expect(stopping("150s")).toBe(1);
  expect(stopping("151s")).toEqual([
    expect.stringContaining("cell.phases.stop.timeout: must be at most half of lostAfter, 150s"),
  ]);
});

test.each(["docker", "any", "process"] as const)(
  "limits that no container can have are refused where there may be one: %s",
  (runtime) => {
    const asking = (resources: SweepSource["cell"]["resources"]): unknown =>
      problemsOf(sweep({}, { runtime, image: "x", resources }));
    expect(asking({ cpus: 0.009, memory: "1MiB", pids: 4_097 })).toEqual(
      runtime === "process"
        ? 1
        : [
            "cell.resources.cpus: a container has at least 0.01 cores",
            "cell.resources.memory: a container has at least 6MiB",
            "cell.resources.pids: a container has at most 4096 processes and threads",
          ],
    );
    expect(asking({ cpus: 0.01, memory: "6MiB", pids: 4_096 })).toBe(1);
  },
);

test("a path of an input file leads nowhere else, whatever characters it holds", () => {
  const fits = (path: string): boolean => RelativePath.safeParse(path).success;
  const part = fc.constantFrom(
    "a",
    "..b",
    "...",
    ".c",
    "é d",
    "..",
    ".",
    "",
    "x\n",
    "\r",
    "\u2028",
    "\0",
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
      const plain = ["a", "..b", "...", ".c", "é d"];
      expect(fits(parts.join("/"))).toBe(parts.every((one) => plain.includes(one)));
    }),
  );
  expect(["a\n/../../x", "/a", "a/", "a\\b"].filter(fits)).toEqual([]);
});

test("all problems of a sweep are named at once", () => {
  const one = sweep(
    { axes: { a: [1] }, curve: "x", exclude: [{ b: 1 }, { a: 7 }] },
    { image: undefined, runtime: "docker", command: ["${q}"], files: ["gone"] },
  );
  expect(problemsOf(one)).toEqual([
    'matrix.curve: there is no axis "x"; did you mean "a"?',
    'matrix.exclude.0.b: exclude names the axis "b", which "matrix.axes" does not have; did you mean "a"?',
    'matrix.exclude.1.a: the axis "a" has no value 7; it has 1',
    expect.stringContaining("cell.command.0: ${q} names no axis"),
    'cell.image: an image is needed with runtime "docker"; only "process" does without',
    "cell.files.0: the input file gone was not given",
  ]);
});

test.each([
  ["../containers", "../containers"],
  ["a b", "a b"],
  ["Big:1", "Big:1"],
  ["a?b=1", "a?b=1"],
  ["a:${q}", "a:x y"],
])("an image that no engine could know, %s, is refused", (image, wrong) => {
  expect(problemsOf(sweep({ axes: { q: ["1", "x y"] } }, { image }))).toEqual([
    `cell.image: ${JSON.stringify(wrong)} is no image: write [host[:port]/]name[:tag][@digest], the name in lower case, or an id`,
  ]);
});

describe("a cell's identity", () => {
  const spec = expandSweep(sweep({ axes: { a: [1] } }, { env: { A: "1", B: "2" } }), FILES)
    .cells[0];

  test("does not depend on the order in which keys were written", () => {
    const shuffled = Object.fromEntries(Object.entries(spec ?? {}).toReversed());
    expect(canonicalJson(shuffled)).toBe(canonicalJson(spec));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });

  test("is over RFC 8785 JSON, as the reference package writes it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
      { numRuns: 500 },
    );
  });

  test("of what was measured is over the canonical JSON of cell and frozen image and runtime", () => {
    const cell = spec?.id ?? "";
    for (const image of [null, "sha256:1", 'reg/"odd"@sha256:2']) {
      const resolved = { runtime: "docker" as const, image };
      expect(measuredIdOf(cell, resolved)).toBe(sha256(canonicalJson({ cell, resolved })));
    }
  });

  test("changes with what is measured and not with time-outs, priority, repeats or labels", () => {
    const base = sweep({ axes: { a: [1] } });
    const ids = (one: SweepFile): string[] => expandSweep(one, FILES).cells.map(({ id }) => id);
    const same: SweepFile = {
      ...base,
      priority: 5,
      repeats: 9,
      blocks: 3,
      labels: { team: "x" },
      cell: { ...base.cell, phases: { ...base.cell.phases, setup: { timeout: 1 } } },
    };
    expect(ids(same)).toEqual(ids(base));
    const other: SweepFile = { ...base, cell: { ...base.cell, env: { X: "1" } } };
    expect(ids(other)).not.toEqual(ids(base));
  });

  test("is of the content of input files, in any order and however often they are named", () => {
    const files = new Map([...FILES, ["b", { sha256: "b".repeat(64), size: 1 }]]);
    const withFiles = (names: string[]): string[] =>
      expandSweep(sweep({}, { files: names }), files).cells.map(({ id }) => id);
    expect(withFiles(["b", "k.mjs", "b"])).toEqual(withFiles(["k.mjs", "b"]));
    const changed = new Map([["k.mjs", { sha256: "c".repeat(64), size: 10 }]]);
    const one = sweep({}, { files: ["k.mjs"] });
    expect(expandSweep(one, changed).cells[0]?.id).not.toBe(expandSweep(one, FILES).cells[0]?.id);
  });

  test("is 64 hexadecimal digits over the fields of the specification", () => {
    const { id, ...rest } = spec ?? { id: "" };
    expect(cellIdOf(rest as CellSpec)).toBe(id);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
  });
});
