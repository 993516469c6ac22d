import { extname } from "node:path";
import { ProblemError } from "../contract/problem-error.ts";

/** Every form of a report with the suffixes of its files. */
const SUFFIXES = { json: [".json"], md: [".md"], text: [".txt"] } as const;

export type ReportFormat = keyof typeof SUFFIXES;

export const REPORT_FORMATS = ["json", "md", "text"] as const satisfies readonly ReportFormat[];

/** The form that a file's suffix stands for. @throws ProblemError BAD_REQUEST for a suffix that stands for none */
export function formatOf(file: string): ReportFormat {
  const suffix = extname(file).toLowerCase();
  const format = REPORT_FORMATS.find((one) => SUFFIXES[one].some((own) => own === suffix));
  if (format !== undefined) return format;
  const known = REPORT_FORMATS.flatMap((one) => SUFFIXES[one]).join(", ");
  const what = suffix === "" ? "has no suffix" : `ends in ${suffix}`;
  throw new ProblemError("BAD_REQUEST", `${file} ${what}, which no report is written as`, {
    next: `end it in one of ${known}, or say --format ${REPORT_FORMATS.join("|")}`,
  });
}
