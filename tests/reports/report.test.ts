import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Cell } from "../../contract/cell/cell.ts";
import { Report } from "../../contract/report.ts";
import type { Sample } from "../../contract/run.ts";
import { buildReport } from "../../reports/build.ts";
import type { AttemptRecord, SweepRecord } from "../../contract/sweep-record.ts";
import { renderMarkdown, renderText } from "../../reports/render.ts";
import { summarise } from "../../reports/summary.ts";

const SWEEP = "01939d2c-0000-7000-8000-000000000001";
const hash = (digit: string): string => digit.repeat(64);

const cell = (digit: string, axes: Cell["axes"]): Cell => ({
  id: hash(digit) as Cell["id"],
  image: "kernels:1",
  command: ["true"],
  env: {},
  files: [],
  mounts: [],
  runtime: "any",
  resources: { memory: null, cpus: null, shm: null, pids: null },
  gpus: 0,
  vendor: null,
  arch: null,
  memory: null,
  models: [],
  parser: { kind: "performance", metric: "speed" },
  axes,
});

const sample = (repeat: number, value: number, unit = "GFLOP/s"): Sample => ({
  repeat,
  metric: "speed",
  statistic: "value",
  value,
  unit,
  n: 1,
});

const attempt = (
  run: string,
  values: readonly number[],
  over: Partial<AttemptRecord> = {},
): AttemptRecord => ({
  run,
  n: 1,
  holder: "node:n1",
  outcome: "ok",
  message: null,
  accepted: true,
  measuredId: hash("f"),
  report: {
    outcome: "ok",
    message: null,
    runtime: "docker",
    image: "sha256:abc",
    samples: values.map((value, index) => sample(index + 1, value)),
    executions: [],
    evidence: [],
    environment: { kernel: "6.18" },
  },
  ...over,
});

const record = (over: Partial<SweepRecord> = {}): SweepRecord => ({
  project: "default",
  id: SWEEP,
  name: "kernels",
  thread: "kernels-1",
  submittedBy: "user:anna",
  submittedAt: Date.UTC(2026, 10, 20),
  metrics: { primary: "speed", direction: "higher" },
  states: { succeeded: 2 },
  images: { "kernels:1": "sha256:abc" },
  cells: [cell("b", { threads: 10 }), cell("a", { threads: 2 })],
  runs: [
    { id: "r1", cell: hash("a"), block: 1, state: "succeeded" },
    { id: "r2", cell: hash("b"), block: 1, state: "succeeded" },
  ],
  attempts: [attempt("r1", [3, 1, 2]), attempt("r2", [10, 20])],
  nodes: [],
  ...over,
});

describe("a report", () => {
  it("gives the median, spread and number of repeats of each cell, in the order of the axes", () => {
    const report = buildReport(record());
    expect(report.cells.map(({ axes }) => axes)).toEqual([{ threads: 2 }, { threads: 10 }]);
    expect(report.cells[0]?.summaries[0]).toMatchObject({
      n: 3,
      median: 2,
      min: 1,
      max: 3,
      unit: "GFLOP/s",
    });
    expect(report.headline).toBe("2 of 2 runs succeeded, 2 cells, 5 samples");
    expect(Report.parse(report)).toEqual(report);
  });

  it("is the same to the byte whatever the order of cells, attempts and keys", () => {
    const one = record({
      attempts: [
        attempt("r1", [0.1, 0.7, 1e16]),
        attempt("r2", [], { outcome: "failed", accepted: false }),
        attempt("r2", [], { n: 2, outcome: "oom", accepted: false }),
        attempt("r1", [0.3], { n: 2 }),
      ],
    });
    const other = record({
      cells: [...one.cells].reverse(),
      attempts: [...one.attempts].reverse(),
      images: { "kernels:1": "sha256:abc" },
    });
    expect(JSON.stringify(buildReport(other))).toBe(JSON.stringify(buildReport(one)));
  });

  it("never merges values of two runtimes or images into one figure", () => {
    const report = buildReport(
      record({
        runs: [
          { id: "r1", cell: hash("a"), block: 1, state: "succeeded" },
          { id: "r2", cell: hash("a"), block: 2, state: "succeeded" },
        ],
        cells: [cell("a", { threads: 2 })],
        attempts: [attempt("r1", [1]), attempt("r2", [100], { measuredId: hash("e") })],
      }),
    );
    expect(report.cells.map(({ summaries }) => summaries[0]?.median)).toEqual([100, 1]);
  });

  it("looks at each run and attempt equally often, however many cells there are", () => {
    const looksPerCell = (count: number): number => {
      let looks = 0;
      const watched = <T extends object>(row: T): T =>
        new Proxy(row, { get: (...args) => (looks++, Reflect.get(...args) as unknown) });
      const ids = Array.from({ length: count }, (_, i) => i.toString(16).padStart(64, "0"));
      const state = "succeeded" as const;
      buildReport(
        record({
          cells: ids.map((id, n) => ({ ...cell("0", { n }), id: id as Cell["id"] })),
          runs: ids.map((id) => watched({ id: `r${id}`, cell: id, block: 1, state })),
          attempts: ids.map((id) => watched(attempt(`r${id}`, [1]))),
        }),
      );
      return looks / count;
    };
    expect(looksPerCell(200)).toBe(looksPerCell(10));
  });

  it("lists failed and fenced-out attempts and counts none of their samples", () => {
    const report = buildReport(
      record({
        states: { succeeded: 1, failed: 1 },
        attempts: [
          attempt("r1", [1, 2]),
          attempt("r2", [50], { outcome: "failed", accepted: false, message: "exit 3" }),
          attempt("r1", [99], { n: 2, outcome: "superseded", accepted: false }),
        ],
      }),
    );
    expect(report.failures.map(({ outcome }) => outcome)).toEqual(["superseded", "failed"]);
    expect(report.cells.flatMap(({ summaries }) => summaries)).toHaveLength(1);
    expect(report.headline).toBe(
      "1 of 2 runs succeeded, 2 cells, 2 samples, 1 ended without a result",
    );
  });

  it("says that it is incomplete while runs are open", () => {
    expect(buildReport(record({ states: { succeeded: 1, running: 1 } })).headline).toContain(
      "1 not finished: this report is incomplete",
    );
  });

  it("fits its schema with values near the end of the range of numbers, too", () => {
    const big = 1.7e308;
    for (const values of [
      [big, big],
      [big, big, big],
      [-big, 0, big, big],
      [1e200, -1e200, 3e200],
    ]) {
      const report = buildReport(record({ attempts: [attempt("r1", values)] }));
      expect(Report.parse(report)).toEqual(report);
      expect(report.cells[0]?.summaries[0]).toMatchObject({ n: values.length, cvPercent: null });
      expect(renderText(report)).not.toMatch(/NaN|∞|Infinity/);
    }
    const { median, max } = summarise([sample(1, big), sample(2, big), sample(3, 1)])[0] ?? {};
    expect([median, max]).toEqual([big, big]);
  });

  it("renders a cell without a result as such, never as 0", () => {
    const report = buildReport(record({ attempts: [attempt("r1", [1])] }));
    expect(renderText(report)).toMatch(/10\s+speed\s+no result/);
  });

  it("says once what all attempts ran under, and names what differed", () => {
    const hot = attempt("r2", [10]);
    const environment = { kernel: "6.18", load: "9.1" };
    const report = buildReport(
      record({
        attempts: [
          attempt("r1", [1]),
          { ...hot, report: hot.report && { ...hot.report, environment } },
        ],
      }),
    );
    const text = renderText(report);
    expect(text).toContain("- environment: kernel=6.18\n");
    expect(text).toMatch(/- load differed: (not said; 9\.1|9\.1; not said)/);
  });

  it("keeps a message with pipes and line breaks inside its cell of the Markdown table", () => {
    const report = buildReport(
      record({
        attempts: [attempt("r1", [], { outcome: "failed", accepted: false, message: "a | b\nc" })],
      }),
    );
    expect(renderMarkdown(report)).toContain("a \\| b c");
  });

  it("keeps pipes and backslashes in both of its forms", () => {
    const message = "grep 'a\\|b' log | sort";
    const failed = attempt("r1", [], { outcome: "failed", accepted: false, message });
    const report = buildReport(record({ attempts: [failed] }));
    expect(renderText(report)).toContain(message);
    expect(renderMarkdown(report)).toContain("grep 'a\\\\\\|b' log \\| sort |");
  });

  it("shows what others wrote as they wrote it, whatever that is in Markdown or HTML", () => {
    const message = "<img src=x> [ok](http://x) **all** `fine` _yes_ &lt; tokens_per_s";
    const failed = attempt("r1", [], { outcome: "failed", accepted: false, message });
    const report = buildReport(record({ attempts: [failed] }));
    expect(renderText(report)).toContain(message);
    const shown = renderMarkdown(report);
    expect(shown).toContain(
      "\\<img src=x\\> \\[ok\\](http://x) \\*\\*all\\*\\* \\`fine\\` \\_yes\\_ \\&lt; tokens_per_s",
    );
  });

  it("has its cells in one order, however numbers and texts are mixed on an axis", () => {
    const cells = [10, "1a", 2, "x"].map((threads, i) => cell(String(i + 1), { threads }));
    const orders = [cells, cells.toReversed(), [...cells.slice(2), ...cells.slice(0, 2)]].map(
      (one) => buildReport(record({ cells: one })).cells.map(({ axes }) => axes["threads"]),
    );
    for (const order of orders) expect(order).toEqual([2, 10, "1a", "x"]);
  });

  it("begins the messages of all failures at one place, however long one of them is", () => {
    const failed = ["x".repeat(300), "exit code 1"].map((message, i) =>
      attempt("r1", [], { n: i + 1, outcome: "failed", accepted: false, message }),
    );
    const lines = renderText(buildReport(record({ attempts: failed }))).split("\n");
    const head = lines.find((line) => line.includes("message")) ?? "";
    const short = lines.find((line) => line.includes("exit code 1")) ?? "";
    expect(short.indexOf("exit")).toBe(head.indexOf("message"));
    expect(short.length).toBeLessThan(80);
  });

  it("writes figures beyond the usual with an exponent, and others in full", () => {
    const values = [1.5e300, -2e-9, 1_234_567, 0.00123456];
    const text = values.map((value) =>
      renderText(buildReport(record({ attempts: [attempt("r1", [value])] }))),
    );
    for (const [i, figure] of ["1.500e+300", "-2.000e-9", "1,235,000", "0.001235"].entries())
      expect(text[i]).toMatch(new RegExp(` ${figure.replaceAll(/[.+]/g, "\\$&")} `));
  });
});

describe("a summary", () => {
  it("never mixes units, and lies between the smallest and the largest value", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (values) => {
          const [summary, other] = summarise([
            ...values.map((value, index) => sample(index + 1, value, "a")),
            sample(1, 5, "b"),
          ]);
          expect(summary?.n).toBe(values.length);
          expect(summary?.median).toBeGreaterThanOrEqual(Math.min(...values));
          expect(summary?.median).toBeLessThanOrEqual(Math.max(...values));
          expect(other).toMatchObject({ unit: "b", n: 1, mad: null, cvPercent: null });
        },
      ),
    );
  });
});
