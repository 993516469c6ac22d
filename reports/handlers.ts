import { ProblemError } from "../contract/problem.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { Report } from "../contract/report.ts";
import type { reports } from "../contract/reports.ts";
import type { Query } from "../storage/db.ts";
import { buildReport } from "./build.ts";
import type { SweepSource } from "./ports.ts";
import { renderMarkdown, renderText } from "./render.ts";

export interface ReportsDeps {
  readonly query: Query;
  readonly source: SweepSource;
}

/** The report of a sweep as far as it has come. @throws ProblemError NOT_FOUND */
export async function reportOf(
  { query, source }: ReportsDeps,
  project: string,
  sweep: string,
): Promise<Report> {
  const record = await source.sweepRecord(query, project, sweep);
  if (record === null)
    throw new ProblemError("NOT_FOUND", `there is no sweep "${sweep}" in project ${project}`, {
      next: "gridpost sweep ls",
    });
  return buildReport(record);
}

export function reportsHandlers(deps: ReportsDeps): Handlers<typeof reports> {
  return {
    report: async ({ params, query: { format } }) => {
      const report = await reportOf(deps, params.project, params.sweep);
      switch (format) {
        case "json":
          return { format, report, text: null };
        case "md":
          return { format, report: null, text: renderMarkdown(report) };
        case "text":
          return { format, report: null, text: renderText(report) };
      }
    },
  };
}
