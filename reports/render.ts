import { markdownTable } from "markdown-table";
import type { Report } from "../contract/report.ts";

type Row = readonly string[];
type Table = (head: Row, rows: readonly Row[]) => string;

/** How the two text forms differ; the content is the same. */
interface Style {
  readonly title: (text: string) => string;
  readonly heading: (text: string) => string;
  readonly code: (text: string) => string;
  readonly table: Table;
  /** A text of others as it is, on one line. */
  readonly cell: (text: string) => string;
}

const markdown: Style = {
  title: (text) => `# ${text}`,
  heading: (text) => `## ${text}`,
  code: (text) => `\`${text}\``,
  // What Markdown or HTML would read as its own, and a line break, which would end the cell of a table. An underscore
  // inside a word, as in `tokens_per_s`, says nothing.
  cell: (text) =>
    text
      .replaceAll(/[\\|<>[\]*`~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, "\\$&")
      .replaceAll(/\s+/g, " "),
  table: (head, rows) => markdownTable([head, ...rows].map((row) => [...row])),
};

const plain: Style = {
  title: (text) => text,
  heading: (text) => text.toUpperCase(),
  code: (text) => text,
  cell: (text) => text.replaceAll(/\s+/g, " "),
  table: (head, rows) => {
    const widths = head.map((_, column) =>
      [head, ...rows].reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
    );
    return [head, ...rows].map((row) => aligned(row, widths)).join("\n");
  },
};

/** The first column to the left, and the last, which may be a long message; the others, numbers mostly, to the right. */
const aligned = (row: Row, widths: readonly number[]): string =>
  widths
    .map((width, column) => {
      const text = row[column] ?? "";
      const left = column === 0 || column === widths.length - 1;
      return left ? text.padEnd(width) : text.padStart(width);
    })
    .join("  ")
    .trimEnd();

export const renderMarkdown = (report: Report): string => render(report, markdown);
export const renderText = (report: Report): string => render(report, plain);

function render(report: Report, style: Style): string {
  const { sweep, headline } = report;
  const sections = [
    style.title(`Report of sweep ${sweep.name}`),
    `${headline}.`,
    `Sweep ${style.code(sweep.id)} in project ${report.project}, thread ${style.code(sweep.thread)}, submitted by ${sweep.submittedBy} at ${sweep.submittedAt}.`,
    style.heading("Results"),
    results(report, style),
    ...failures(report, style),
    style.heading("Provenance"),
    provenance(report, style),
    style.heading("Method"),
    report.method,
  ];
  return `${sections.join("\n\n")}\n`;
}

/** Four significant digits: more would claim a precision that a few repeats do not have. */
const DIGITS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });

const number = (value: number | null): string => {
  if (value === null) return "";
  return isShort(value) ? DIGITS.format(Number(value.toPrecision(4))) : value.toExponential(3);
};

/** Others would be written with hundreds of zeros. */
const isShort = (value: number): boolean =>
  value === 0 || (Math.abs(value) >= 1e-6 && Math.abs(value) < 1e15);

function results({ cells, axes, metrics }: Report, style: Style): string {
  const head = [...axes, "metric", "median", "unit", "n", "min", "max", "CV %", "runtime", "node"];
  const rows = cells.flatMap((cell) => {
    const where = axes.map((axis) => String(cell.axes[axis] ?? ""));
    const ran = [cell.runtimes.join(" "), cell.nodes.join(" ")];
    if (cell.summaries.length === 0)
      return [[...where, metrics.primary, "no result", "", "0", "", "", "", ...ran]];
    return cell.summaries.map((summary) => [
      ...where,
      summary.statistic === "value" ? summary.metric : `${summary.metric} ${summary.statistic}`,
      number(summary.median),
      summary.unit,
      String(summary.n),
      number(summary.min),
      number(summary.max),
      summary.cvPercent === null ? "" : summary.cvPercent.toFixed(1),
      ...ran,
    ]);
  });
  const better = `${metrics.direction === "higher" ? "Higher" : "Lower"} ${style.cell(metrics.primary)} is better.`;
  return `${style.table(
    head,
    rows.map((row) => row.map(style.cell)),
  )}\n\n${better}`;
}

function failures({ failures: failed, axes }: Report, style: Style): string[] {
  if (failed.length === 0) return [];
  const rows = failed.map((failure) => [
    ...axes.map((axis) => String(failure.axes[axis] ?? "")),
    String(failure.attempt),
    failure.outcome,
    failure.holder,
    failure.message ?? "",
  ]);
  const head = [...axes, "attempt", "outcome", "holder", "message"];
  return [
    style.heading("Attempts that gave no result"),
    style.table(
      head,
      rows.map((row) => row.map(style.cell)),
    ),
  ];
}

function provenance({ provenance: { images, nodes, environments } }: Report, style: Style): string {
  const { cell, code } = style;
  return [
    ...images.map(
      ({ image, id }) =>
        `- image ${code(image)}: ${id === null ? "not used, or never identified" : code(id)}`,
    ),
    ...nodes.map((node) =>
      cell(
        `- node ${node.name}${node.simulated ? " (SIMULATED inventory)" : ""}: ${node.cpu}; GPUs: ${node.gpus.join(", ") || "none"}; ${node.os}, kernel ${node.kernel}; engine ${node.engine ?? "none"}; gridpost ${node.version}`,
      ),
    ),
    ...environmentLines(environments).map(cell),
  ].join("\n");
}

const MAX_VALUES = 5;

/** What all accepted attempts ran under in one line; what differed between them, key by key. */
function environmentLines(environments: Report["provenance"]["environments"]): string[] {
  const keys = [...new Set(environments.flatMap((one) => Object.keys(one)))].sort();
  const values = new Map(
    keys.map((key) => [key, [...new Set(environments.map((one) => one[key] ?? "not said"))]]),
  );
  const same = keys.filter((key) => values.get(key)?.length === 1);
  const common = same.map((key) => `${key}=${values.get(key)?.join("") ?? ""}`).join(", ");
  const differing = keys
    .filter((key) => !same.includes(key))
    .map((key) => `- ${key} differed: ${several(values.get(key) ?? [])}`);
  return common === "" ? differing : [`- environment: ${common}`, ...differing];
}

const several = (values: readonly string[]): string =>
  values.length <= MAX_VALUES
    ? values.join("; ")
    : `${values.slice(0, MAX_VALUES).join("; ")} and ${values.length - MAX_VALUES} more`;
