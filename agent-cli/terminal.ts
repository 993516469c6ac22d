import pc from "picocolors";
import stringWidth from "string-width";
import { type CellValue, oneLine, printable, relativeTime, type View } from "./view.ts";

const GAP = "  ";
/** Columns shrink no further than this when a line is too wide. */
const MIN_WIDTH = 12;

/** For people: aligned columns under a header, at most as wide as the terminal. */
export function renderTerminal(view: View, { columns = 80 }: { columns?: number }): string {
  if (view.kind === "text") return printable(view.text);
  const now = Date.now();
  const shown = (value: CellValue): string => {
    if (value === null) return "-";
    if (typeof value !== "object") return oneLine(String(value));
    return "time" in value ? relativeTime(value.time, now) : "";
  };
  if (view.kind === "record") {
    const width = Math.max(...view.fields.map(([name]) => name.length));
    return view.fields
      .map(([name, value]) => `${pc.dim(name.padEnd(width))}${GAP}${shown(value)}`)
      .join("\n");
  }
  if (view.rows.length === 0) return pc.dim(view.empty);
  const rows = view.rows.map((row) => row.map(shown));
  const widths = fit([view.columns, ...rows], columns);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join(GAP)
      .trimEnd();
  const header = view.continued === true ? [] : [pc.dim(line(view.columns))];
  return [...header, ...rows.map(line)].join("\n");
}

/**
 * Widths of the columns; the widest one that holds text gives way until a line fits. A column of nothing but ASCII without
 * a space holds ids or names, which are there to be copied whole.
 */
function fit(rows: readonly (readonly string[])[], total: number): number[] {
  const count = rows[0]?.length ?? 0;
  const isText = (column: number): boolean => rows.some((row) => /[^!-~]/.test(row[column] ?? ""));
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(...rows.map((row) => stringWidth(row[i] ?? ""))),
  );
  const room = total - GAP.length * (count - 1);
  for (;;) {
    const excess = widths.reduce((sum, width) => sum + width, 0) - room;
    const widest = Math.max(...widths.filter((_, column) => isText(column)));
    if (excess <= 0 || widest <= MIN_WIDTH) return widths;
    widths[widths.findIndex((width, column) => width === widest && isText(column))] = widest - 1;
  }
}

function pad(cell: string, width: number): string {
  const gap = width - stringWidth(cell);
  return gap >= 0 ? cell + " ".repeat(gap) : cut(cell, width);
}

function cut(cell: string, width: number): string {
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(cell)) {
    if (stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return `${kept}…${" ".repeat(Math.max(0, width - 1 - stringWidth(kept)))}`;
}
