import { writeFile } from "node:fs/promises";
import { Option } from "@commander-js/extra-typings";
import { ProblemError } from "../../contract/problem-error.ts";
import { type Define, examples, leaf } from "../command.ts";
import { formatOf, REPORT_FORMATS } from "../report-format.ts";
import { record, text } from "../view.ts";

const formatOption = () =>
  new Option("--format <format>", "how to render it").choices(REPORT_FORMATS);

/** `gridpost report` */
export const defineReport: Define = (program, cli) => {
  leaf(program, "report <sweep>", "The report of a sweep as far as it has come")
    .addOption(formatOption())
    .option(
      "-o, --output <file>",
      "write it there; its suffix (.json, .md, .txt) chooses the format",
    )
    .addHelpText("after", examples("report nightly", "report nightly -o report.md"))
    .action(async (sweep, { format: asked, output, ...common }) => {
      const bySuffix = output === undefined || asked !== undefined ? undefined : formatOf(output);
      const format = asked ?? bySuffix ?? (cli.out.json && output === undefined ? "json" : "text");
      const context = cli.context(common);
      const api = await context.caller();
      const made = await api("GET /v1/projects/:project/sweeps/:sweep/report", {
        params: { project: context.project, sweep },
        query: { format },
      });
      const rendered = format === "json" ? `${JSON.stringify(made.report)}\n` : (made.text ?? "");
      if (output === undefined)
        return cli.out.show(format === "json" ? made.report : made, text(rendered));
      await writeFile(output, rendered).catch((cause: unknown) => {
        throw new ProblemError("BAD_REQUEST", `cannot write ${output}`, {
          next: "check that the folder exists and may be written to",
          cause,
        });
      });
      await cli.out.show(
        { sweep, format, file: output },
        record([
          ["format", format],
          ["file", output],
        ]),
      );
    });
};
