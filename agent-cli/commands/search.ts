import { Option } from "@commander-js/extra-typings";
import { given } from "../arguments.ts";
import { type Define, examples, list } from "../command.ts";
import { threadCell } from "../mail-view.ts";
import { at, table } from "../view.ts";

const orderOption = () =>
  new Option("--order <order>", "best or newest first").choices(["relevance", "recent"] as const);

/** `gridpost search` */
export const defineSearch: Define = (program, cli) => {
  list(program, "search <query...>", "Search the subjects and bodies of the messages that you see")
    .addOption(orderOption())
    .addHelpText(
      "after",
      `${examples("search 'flash attention'", `search 'kernel* from:blue after:2026-11-01 NOT "old name"'`)}

Words, "phrases", prefix*, AND, OR, NOT, parentheses, and
from: to: thread: importance: before: after: has:attachment

A query whose first word has a - in front goes behind --: gridpost search -- '-draft kernel'`,
    )
    .action(async (words, { order, after, limit, ...common }) => {
      const context = cli.context(common);
      const api = await context.caller();
      const page = await api("GET /v1/projects/:project/search", {
        params: { project: context.project },
        query: { q: words.join(" "), ...given({ order, after, limit }) },
      });
      const rows = page.results.map((one) => [
        one.from,
        one.subject,
        one.snippet,
        at(one.sentAt),
        threadCell(one),
        one.id,
      ]);
      const columns = ["FROM", "SUBJECT", "FOUND", "SENT", "THREAD", "ID"];
      await cli.out.show(page, table(columns, rows, "nothing found"));
      if (!cli.out.json) for (const note of page.notes) cli.out.note(note);
    });
};
