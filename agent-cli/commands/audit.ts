import { given } from "../arguments.ts";
import { type Define, examples, list } from "../command.ts";
import { at, table } from "../view.ts";

/** `gridpost audit` */
export const defineAudit: Define = (program, cli) => {
  list(program, "audit", "Administrative acts and denials, newest first")
    .option("--actor <principal>", "only acts of this one, such as user:anna")
    .option("--type <type>", "only this kind, such as access.denied")
    .addHelpText("after", examples("audit --type access.denied --json"))
    .action(async ({ actor, type, after, limit, ...common }) => {
      const api = await cli.context(common).user();
      const page = await api("GET /v1/audit", { query: given({ actor, type, after, limit }) });
      const rows = page.entries.map((entry) => [
        at(entry.at),
        entry.actor,
        entry.type,
        entry.project,
        JSON.stringify(entry.details),
      ]);
      const columns = ["WHEN", "ACTOR", "TYPE", "PROJECT", "DETAILS"];
      await cli.out.show(page, table(columns, rows, "no entries"));
    });
};
