import { stripVTControlCharacters } from "node:util";

/**
 * One value of a table or record. A time is relative for people and ISO 8601 for programs; what is implied by the rest of
 * its row is left out for people.
 */
export type CellValue =
  | string
  | number
  | boolean
  | null
  | { readonly time: string }
  | { readonly implied: string };

/** How a document is shown when it is not asked for as JSON. */
export type View =
  | {
      readonly kind: "table";
      readonly columns: readonly string[];
      readonly rows: readonly (readonly CellValue[])[];
      /** What people see instead of a table without rows. */
      readonly empty: string;
      /** The rows go on below a table that stands there already. */
      readonly continued?: true;
    }
  | { readonly kind: "record"; readonly fields: readonly (readonly [string, CellValue])[] }
  | { readonly kind: "text"; readonly text: string };

export const table = (
  columns: readonly string[],
  rows: readonly (readonly CellValue[])[],
  empty: string,
): View => ({ kind: "table", columns, rows, empty });

/** The same rows without a header. */
export const continued = (view: View): View =>
  view.kind === "table" ? { ...view, continued: true } : view;

export const record = (fields: readonly (readonly [string, CellValue])[]): View => ({
  kind: "record",
  fields,
});

export const text = (value: string): View => ({ kind: "text", text: value });

export const at = (time: string | null): CellValue => (time === null ? null : { time });

const STEPS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
] as const;

/** `3m ago`, `in 2h`, `now`. */
export function relativeTime(time: string, now: number): string {
  const ms = Date.parse(time) - now;
  const step = STEPS.find(([unit]) => Math.abs(ms) >= unit);
  if (step === undefined) return "now";
  const amount = `${Math.floor(Math.abs(ms) / step[0])}${step[1]}`;
  return ms < 0 ? `${amount} ago` : `in ${amount}`;
}

/** C0 and C1 control characters, of which a terminal would obey some: whoever wrote a text must not steer it. */
const CONTROL = /[^\P{Cc}\n\t]/gu;

/** A text of several lines that is safe to show on a terminal. */
export const printable = (value: string): string =>
  stripVTControlCharacters(value).replaceAll("\r\n", "\n").replaceAll(CONTROL, "\uFFFD");

/** The same on one line. */
export const oneLine = (value: string): string => printable(value).replaceAll(/[\n\t]+/g, " ");

function plainCell(value: CellValue): string {
  if (value === null) return "";
  if (typeof value !== "object") return oneLine(String(value));
  return oneLine("time" in value ? value.time : value.implied);
}

/** For pipes: tab-separated, without header. */
export function renderPlain(view: View): string {
  switch (view.kind) {
    case "text":
      return view.text;
    case "record":
      return view.fields.map(([name, value]) => `${name}\t${plainCell(value)}`).join("\n");
    case "table":
      return view.rows.map((row) => row.map(plainCell).join("\t")).join("\n");
  }
}
