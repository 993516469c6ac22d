import type { Handlers } from "../contract/handlers.ts";
import type { reports } from "../contract/reports.ts";
import type { MakeReport } from "./ports.ts";

export const reportsHandlers = (make: MakeReport): Handlers<typeof reports> => ({
  report: async ({ params: { project, sweep }, query: { format } }) => {
    const { report, text } = await make({ project, sweep, format });
    return { format, report, text };
  },
});
