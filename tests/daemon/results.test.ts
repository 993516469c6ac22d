import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCsvResults } from "../../daemon/results/csv.ts";
import { parseJsonResults } from "../../daemon/results/json.ts";
import { PerformanceLine } from "../../daemon/results/performance.ts";

function performance(...lines: string[]) {
  const line = new PerformanceLine();
  for (const text of lines) line.see(`${text}\n`);
  return line.read("throughput");
}

const ok = (...readings: object[]) => ({ ok: true, readings });
const refused = (text: string | RegExp) => ({ ok: false, message: expect.stringMatching(text) });

describe("the performance line", () => {
  it("is the last one of the log", () => {
    expect(performance("performance: 1 GB/s", "FAILED?", "performance: 2.5e3 tokens / s")).toEqual(
      ok({ metric: "throughput", statistic: "value", value: 2_500, unit: "tokens / s", n: 1 }),
    );
  });

  it("is refused when missing, without a number, or not finite, and never becomes 0", () => {
    expect(performance("all good")).toEqual(refused(/no line `performance:/));
    expect(performance("performance: GB/s")).toEqual(refused(/gives no number/));
    expect(performance("performance: 3 x", "performance: nan GB/s")).toEqual(
      refused(/not a finite/),
    );
    expect(performance("performance: -inf GB/s")).toEqual(refused(/not a finite/));
  });
});

describe("a JSON result file", () => {
  const parse = (data: unknown) => parseJsonResults(JSON.stringify(data), "r.json");

  it("is rows, or values by metric", () => {
    const rate = { metric: "rate", value: 3, unit: "MB/s", statistic: "value", n: 1 };
    expect(parse([{ metric: "rate", value: 3, unit: "MB/s", note: "x" }])).toEqual(ok(rate));
    expect(parse({ rate: { value: 3, unit: "MB/s" }, count: 4 })).toEqual(
      ok(rate, { metric: "count", value: 4, unit: "", statistic: "value", n: 1 }),
    );
    expect(
      parse([
        { metric: "lat", value: 1, statistic: "p50", n: 9 },
        { metric: "lat", value: 2, statistic: "p99", n: 9 },
      ]),
    ).toMatchObject({ ok: true, readings: [{ statistic: "p50", n: 9 }, { statistic: "p99" }] });
  });

  it("may begin with a byte order mark", () => {
    expect(parseJsonResults('\uFEFF{"a": 1}', "r.json")).toMatchObject({ ok: true });
  });

  it("is refused with the reason", () => {
    expect(parseJsonResults('{"a": NaN}', "r.json")).toEqual(refused(/NaN, which is not/));
    expect(parseJsonResults("", "r.json")).toEqual(refused(/not JSON/));
    expect(parse([])).toEqual(refused(/no values/));
    expect(parse([{ metric: "a", value: null }])).toEqual(refused(/value/));
    expect(parse([{ metric: "a" }])).toEqual(refused(/value/));
    expect(
      parse([
        { metric: "a", value: 1 },
        { metric: "a", value: 2 },
      ]),
    ).toEqual(refused(/twice/));
    expect(parse("text")).toEqual(refused(/r\.json/));
  });
});

describe("a CSV result file", () => {
  const parse = (text: string) => parseCsvResults(text, "r.csv");

  it("has its columns in any order, quoted or not", () => {
    expect(parse('\uFEFFunit,Metric,value,n\r\n"GB/s","a ""b"", c",1.5,3\r\n,d,.5,\r\n')).toEqual(
      ok(
        { metric: 'a "b", c', value: 1.5, unit: "GB/s", statistic: "value", n: 3 },
        { metric: "d", value: 0.5, unit: "", statistic: "value", n: 1 },
      ),
    );
  });

  it("is refused with the row and the reason", () => {
    expect(parse("metric,unit\na,b\n")).toEqual(refused(/no column "value"/));
    expect(parse("metric,value\na,\n")).toEqual(refused(/row 2: the value "" is not a number/));
    expect(parse("metric,value\na,1\nb,NaN\n")).toEqual(
      refused(/row 3: the value NaN is not a mea/),
    );
    expect(parse("metric,value\na,1,2\n")).toEqual(refused(/3 fields under 2 columns/));
    expect(parse('metric,value\n"a,1\n')).toEqual(refused(/quote/));
    expect(parse("metric,value\n")).toEqual(refused(/no values/));
    expect(parse("")).toEqual(refused(/no column/));
  });

  it("never throws and never accepts what is not finite", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom("metric", "value", ",", '"', "\n", "\r", "1", "-", ".", "e", " "),
        }),
        (noise) => {
          const parsed = parse(`metric,value\n${noise}`);
          if (parsed.ok)
            expect(parsed.readings.every(({ value }) => Number.isFinite(value))).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
