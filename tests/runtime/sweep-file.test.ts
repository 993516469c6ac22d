import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readSweepFile } from "../../runtime/sweep-file.ts";

const problems = (text: string): string[] => {
  const read = readSweepFile(text, "s.yaml");
  return read.ok
    ? []
    : read.problems.map(({ file, line, path, message }) => `${file}:${line} ${path}: ${message}`);
};

const GOOD = `name: kernels
matrix:
  axes: { threads: [1, 2] }
cell:
  image: bench:1
  command: [run, "\${threads}"]
metrics: { primary: performance }
`;

describe("a sweep file", () => {
  test("without mistakes gives the sweep and the value to submit", () => {
    const read = readSweepFile(GOOD, "s.yaml");
    expect(read).toMatchObject({
      ok: true,
      sweep: { name: "kernels", repeats: 1, lostAfter: 1_800_000 },
      source: { name: "kernels", cell: { image: "bench:1" } },
    });
  });

  test("may be JSON", () => {
    const text = JSON.stringify({
      name: "k",
      cell: { command: ["x"], runtime: "process" },
      metrics: { primary: "performance" },
    });
    expect(problems(text)).toEqual([]);
  });

  test("with many mistakes gets all of them at once, in the order of its lines", () => {
    const text = `name: cpu kernels
repeat: 3
matrix:
  axes:
    threads: [1, 2]
    kernel: [triad, { a: 1 }]
  curve: thread
  exclude:
    - thrads: 1
    - threads: 3
cell:
  command: [sh, -c, "run \${threds}"]
  env:
    A: 5
  phases:
    run: { timeout: 30 }
    run: { timeout: 30s }
metrics:
  direction: up
lostAfter: 1m
`;
    expect(problems(text)).toEqual([
      "s.yaml:1 name: must be 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit",
      's.yaml:2 repeat: unknown key "repeat"; did you mean "repeats"?',
      "s.yaml:6 matrix.axes.kernel.1: expected string or number or boolean",
      's.yaml:7 matrix.curve: there is no axis "thread"; did you mean "threads"?',
      's.yaml:9 matrix.exclude.0.thrads: exclude names the axis "thrads", which "matrix.axes" does not have; did you mean "threads"?',
      's.yaml:10 matrix.exclude.1.threads: the axis "threads" has no value 3; it has 1, 2',
      's.yaml:11 cell.image: an image is needed with runtime "docker"; only "process" does without',
      's.yaml:12 cell.command.2: ${threds} names no axis; did you mean "threads"?; a variable of the shell is written $threds',
      "s.yaml:14 cell.env.A: expected string, received number",
      "s.yaml:17 : the key run is there twice",
      "s.yaml:18 metrics.primary: is missing; expected string",
      's.yaml:19 metrics.direction: expected "higher" or "lower"',
      "s.yaml:20 lostAfter: must be at least 5m",
    ]);
  });

  test("that has axes where they do not belong is told which keys do, and that an image has a name", () => {
    const text = GOOD.replace("axes: { threads: [1, 2] }", "threads: [1, 2]").replace(
      /image: .*/u,
      'image: ""',
    );
    expect(problems(text)).toEqual([
      's.yaml:3 matrix.threads: unknown key "threads"; the keys here are axes, curve, include, exclude',
      "s.yaml:5 cell.image: must not be empty",
      "s.yaml:6 cell.command.1: ${threads} names no axis; a variable of the shell is written $threads",
    ]);
  });

  test.each(["", "command: []", "command: run", "command: [run, 5]"])(
    "whose command is wrong gets its other mistakes in the same pass: %s",
    (command) => {
      const text = `name: k
matrix:
  axes: { threads: [1, 1] }
cell:
  env: { A: "\${nope}" }
  ${command}
metrics: { primary: speed }
`;
      const found = problems(text);
      expect(found).toContain("s.yaml:3 matrix.axes.threads.1: 1 is on the axis twice");
      expect(found.map((one) => one.split(" ")[0])).toEqual(
        expect.arrayContaining(["s.yaml:3", "s.yaml:4", "s.yaml:5", "s.yaml:7"]),
      );
      expect(found.some((one) => one.includes("cell.command"))).toBe(true);
    },
  );

  test("refuses durations and sizes that no run could have", () => {
    const text = `${GOOD}lostAfter: 31d
requires: { gpus: 1, memory: 99999999TiB }
`.replace(
      "cell:",
      `cell:
  phases:
    setup: { timeout: 0s }
    run: { timeout: 200000000000d, silence: 0.1ms }
    stop: { timeout: 0s }
  resources:
    memory: 0B
    shm: 9999999GB`,
    );
    expect(problems(text)).toEqual([
      "s.yaml:6 cell.phases.setup.timeout: must be more than 0s",
      "s.yaml:7 cell.phases.run.timeout: must be at most 30d",
      "s.yaml:7 cell.phases.run.silence: must be more than 0s",
      "s.yaml:10 cell.resources.memory: must be more than 0B",
      "s.yaml:11 cell.resources.shm: 9999999GB is more than any machine has",
      "s.yaml:15 lostAfter: must be at most 30d",
      "s.yaml:16 requires.memory: 99999999TiB is more than any machine has",
    ]);
  });

  test("refuses numbers that would be read as others, and values that are on an axis twice", () => {
    const text = GOOD.replace(
      "axes: { threads: [1, 2] }",
      `axes:
    threads:
      - 1
      - 2
      - 1.0
    seed:
      - "12345678901234567891"
      - 12345678901234567891
      - 12345678901234567892
      - 9007199254740991
  include:
    - seed: -9007199254740993`,
    );
    const large = "a number so large is read as";
    expect(problems(text)).toEqual([
      "s.yaml:7 matrix.axes.threads.2: 1 is on the axis twice",
      `s.yaml:10 matrix.axes.seed.1: ${large} 12345678901234567000: write it in quotes`,
      `s.yaml:11 matrix.axes.seed.2: ${large} 12345678901234567000: write it in quotes`,
      `s.yaml:14 matrix.include.0.seed: ${large} -9007199254740992: write it in quotes`,
    ]);
  });

  test("reports nothing that only follows from another mistake", () => {
    const text = GOOD.replace("{ threads: [1, 2] }", "{ threads: 1 }");
    expect(problems(text)).toEqual([
      "s.yaml:3 matrix.axes.threads: expected array, received number",
    ]);
  });

  test.each([
    ["", "expected object, received null"],
    ["- 1", "expected object, received array"],
    ["a: [", "end with a ]"],
    ["name: a\n---\nname: b", "more than one document: a file holds one"],
    [
      "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
      "alias",
    ],
  ])("that is no mapping or not well-formed says only that: %j", (text, part) => {
    const found = problems(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(part);
  });

  test("never makes the reader throw, whatever it holds", () => {
    const keys = fc.constantFrom("name", "matrix", "cell", "axes", "command", "include", "metrics");
    const values = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue(),
        fc.dictionary(keys, tie("value")),
        fc.array(tie("value"), { maxLength: 3 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          values.value.map((one) => JSON.stringify(one)),
        ),
        (text) => {
          const read = readSweepFile(text, "f");
          expect(read.ok || read.problems.length > 0).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
