import { z } from "zod";
import { accept, type Parsed, refuse } from "./reading.ts";

const Rows = z.array(
  z.object({
    metric: z.string().min(1).max(64),
    value: z.number(),
    unit: z.string().max(32).default(""),
    statistic: z.string().min(1).max(32).default("value"),
    n: z.int().min(1).default(1),
  }),
);

/**
 * A result file in JSON: an array of `{metric, value, unit?, statistic?, n?}`, or an object from metric to a number or to
 * `{value, unit?, statistic?, n?}`. Other keys of a row are ignored.
 */
export function parseJsonResults(text: string, file: string): Parsed {
  let data: unknown;
  try {
    data = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    const strange = /\b(NaN|-?Infinity)\b/.exec(text);
    return refuse(
      strange === null
        ? `${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`
        : `${file} is not JSON: it holds ${strange[0]}, which is not a measurement`,
    );
  }
  const rows = Rows.safeParse(asRows(data));
  if (!rows.success) return refuse(`${file}: ${z.prettifyError(rows.error).slice(0, 1_000)}`);
  return accept(rows.data, file);
}

/** `{metric: 1, other: {value: 2}}` as rows; anything else as it is. */
function asRows(data: unknown): unknown {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return data;
  return Object.entries(data).map(([metric, value]: [string, unknown]) =>
    typeof value === "object" && value !== null ? { ...value, metric } : { metric, value },
  );
}
