import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { Name } from "./ids.ts";
import { Report } from "./report.ts";

export const ReportFormat = z.enum(["json", "md", "text"]);

export const reports = {
  report: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/sweeps/:sweep/report",
    summary: "The report of a sweep as far as it has come",
    scope: "sweep:read",
    params: z.object({ project: Name, sweep: z.string().min(1).max(64) }),
    query: z.strictObject({ format: ReportFormat.default("json") }),
    /** `report` for json; `text` holds the rendering for the other formats. */
    response: z.object({
      format: ReportFormat,
      report: Report.nullable(),
      text: z.string().nullable(),
    }),
  }),
} as const;
