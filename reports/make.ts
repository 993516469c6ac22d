import { ProblemError } from "../contract/problem.ts";
import { buildReport } from "./build.ts";
import type { MadeReport, MakeReport, ReportAsk, ReportsDeps } from "./ports.ts";
import { renderMarkdown, renderText } from "./render.ts";

/** Makes the report of a sweep as far as it has come; null when there is no such sweep. */
export async function makeReport(
  { query, source }: ReportsDeps,
  { project, sweep, format }: ReportAsk,
): Promise<MadeReport | null> {
  const record = await source.sweepRecord(query, project, sweep);
  if (record === null) return null;
  const report = buildReport(record);
  const { name } = record;
  switch (format) {
    case "json":
      return { name, report, text: null };
    case "md":
      return { name, report: null, text: renderMarkdown(report) };
    case "text":
      return { name, report: null, text: renderText(report) };
  }
}

/** A maker that tells who asks for the report of no sweep. */
export const orNotFound =
  (make: (ask: ReportAsk) => Promise<MadeReport | null>): MakeReport =>
  async (ask) => {
    const made = await make(ask);
    if (made !== null) return made;
    throw new ProblemError(
      "NOT_FOUND",
      `there is no sweep "${ask.sweep}" in project ${ask.project}`,
      {
        next: "gridpost sweep ls",
      },
    );
  };
