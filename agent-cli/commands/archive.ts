import { type Define, examples, group, leaf } from "../command.ts";
import { record } from "../view.ts";

/** `gridpost archive` */
export const defineArchive: Define = (program, cli) => {
  const archive = group(program, "archive", "The Git archive of record");

  leaf(archive, "status", "How far the archive follows the log")
    .addHelpText("after", examples("archive status --json"))
    .action(async (options) => {
      const api = await cli.context(options).user();
      const status = await api("GET /v1/archive");
      await cli.out.show(
        status,
        record([
          ["last event", status.lastSeq],
          ["archived", status.archivedSeq],
          ["lag", `${status.lagEvents} events, ${status.lagSeconds} s`],
          ["commit", status.commit],
          ...status.remotes.map(({ name, url, pushedSeq, error }): [string, string] => [
            `remote ${name}`,
            `${url}, pushed to ${pushedSeq ?? "nothing"}${error === null ? "" : `: ${error}`}`,
          ]),
        ]),
      );
    });
};
