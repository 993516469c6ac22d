import { accept, type Parsed, type Reading, readNumber, refuse } from "./reading.ts";

const KNOWN = new Set(["metric", "value", "unit", "statistic", "n"]);

/**
 * A result file in CSV (RFC 4180) with a header: `metric`, `value`, and perhaps `unit`, `statistic`, `n`, in any order.
 * Other columns are ignored. An empty value is an error, never 0.
 */
export function parseCsvResults(text: string, file: string): Parsed {
  const table = parseCsv(text.replace(/^\uFEFF/, ""));
  if (table === undefined) return refuse(`${file} has a quote that is not closed`);
  const [header, ...rows] = table;
  const columns = (header ?? []).map((name) => name.trim().toLowerCase());
  for (const needed of ["metric", "value"]) {
    if (!columns.includes(needed)) return refuse(`${file} has no column "${needed}"`);
  }
  const readings: Reading[] = [];
  for (const [i, row] of rows.entries()) {
    const where = `${file}, row ${i + 2}`;
    if (row.length !== columns.length)
      return refuse(`${where}: ${row.length} fields under ${columns.length} columns`);
    const reading = readRow(fieldsOf(columns, row));
    if (typeof reading === "string") return refuse(`${where}: ${reading}`);
    readings.push(reading);
  }
  return accept(readings, file);
}

const fieldsOf = (columns: readonly string[], row: readonly string[]): Map<string, string> =>
  new Map(
    columns
      .map((name, i): [string, string] => [name, (row[i] ?? "").trim()])
      .filter(([name]) => KNOWN.has(name)),
  );

/** A row as a reading, or what is wrong with it. */
function readRow(fields: ReadonlyMap<string, string>): Reading | string {
  const field = (name: string, fallback: string): string => fields.get(name) || fallback;
  const metric = field("metric", "");
  const unit = field("unit", "");
  const statistic = field("statistic", "value");
  if (metric === "" || metric.length > 64) return "the metric must have 1 to 64 characters";
  if (unit.length > 32 || statistic.length > 32)
    return "unit and statistic have at most 32 characters";
  const value = readNumber(field("value", ""));
  if (value === undefined) return `the value "${field("value", "").slice(0, 100)}" is not a number`;
  if (!Number.isFinite(value)) return `the value ${field("value", "")} is not a measurement`;
  const n = readNumber(field("n", "1"));
  if (n === undefined || !Number.isInteger(n) || n < 1) return "n must be a whole number above 0";
  return { metric, value, unit, statistic, n };
}

/** Records of fields; undefined when a quote stays open. Empty lines are skipped. */
function parseCsv(text: string): string[][] | undefined {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  while (field.lastIndex < text.length || row.length > 0) {
    const match = field.exec(text);
    if (match === null) return undefined;
    const [whole, quoted, plain = "", end] = match;
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end !== ",") {
      if (row.length > 1 || row[0] !== "") rows.push(row);
      row = [];
      // An empty match at the end of the text would repeat for ever.
      if (whole === "" || field.lastIndex >= text.length) break;
    }
  }
  return rows;
}
