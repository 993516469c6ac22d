import { counted } from "../../contract/units.ts";
import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { Answer } from "../api.ts";
import { given } from "../arguments.ts";
import { change, type Cli, type Define, examples, leaf, list } from "../command.ts";
import { threadView } from "../mail-view.ts";
import { at, record, table, text, type View } from "../view.ts";

/** `gridpost thread` */
export const defineThread: Define = (program, cli) => {
  const thread = list(program, "thread [id]", "Show a thread, or list the threads that you see")
    // What follows a verb belongs to the verb.
    .enablePositionalOptions()
    .addHelpText("after", examples("thread", "thread nightly --json", "thread digest nightly"))
    .action(async (id, { after, limit, ...common }) => {
      const context = cli.context(common);
      const { project } = context;
      const api = await context.caller();
      const query = given({ after, limit });
      if (id === undefined) {
        const page = await api("GET /v1/projects/:project/threads", { params: { project }, query });
        const rows = page.threads.map((one) => [
          one.thread,
          one.subject,
          one.messages,
          at(one.lastAt),
          one.open ? "open" : "private",
        ]);
        await cli.out.show(
          page,
          table(["THREAD", "SUBJECT", "MESSAGES", "LAST", "SEEN BY"], rows, "no threads"),
        );
        return;
      }
      const page = await api("GET /v1/projects/:project/threads/:thread", {
        params: { project, thread: id },
        query,
      });
      await cli.out.show(page, threadView(page));
    });

  defineReadVerbs(thread, cli);
  defineFollowVerbs(thread, cli);
};

type Digest = Answer<"GET /v1/projects/:project/threads/:thread/digest">;

function digestView(digest: Digest): View {
  const list = (title: string, lines: readonly { from: string; text: string }[]): string[] =>
    lines.length === 0 ? [] : [`${title}:`, ...lines.map((one) => `  ${one.from}: ${one.text}`)];
  return text(
    [
      `${digest.subject} (${counted(digest.messages, "message")}, last ${digest.lastAt})`,
      `participants: ${digest.participants.join(", ")}`,
      ...list("decided", digest.decisions),
      ...list("open", digest.open),
      ...list("done", digest.done),
      ...(digest.links.length === 0 ? [] : [`about: ${digest.links.join(" ")}`]),
    ].join("\n"),
  );
}

function defineReadVerbs(thread: CommandUnknownOpts, cli: Cli): void {
  leaf(thread, "digest <id>", "Sum up a thread: who, what was decided, what is open").action(
    async (id, options) => {
      const context = cli.context(options);
      const api = await context.caller();
      const digest = await api("GET /v1/projects/:project/threads/:thread/digest", {
        params: { project: context.project, thread: id },
      });
      await cli.out.show(digest, digestView(digest));
    },
  );

  leaf(thread, "export <id>", "Print what you see of a thread as Markdown")
    .addOption(
      new Option("--format <format>", "of the export").choices(["md"] as const).default("md"),
    )
    .addHelpText("after", examples("thread export nightly > nightly.md"))
    .action(async (id, options) => {
      const context = cli.context(options);
      const api = await context.caller();
      let markdown = "";
      for (let after: string | null | undefined; after !== null;) {
        const part = await api("GET /v1/projects/:project/threads/:thread/export", {
          params: { project: context.project, thread: id },
          query: { limit: 500, ...given({ after }) },
        });
        markdown += part.markdown;
        after = part.next;
      }
      await cli.out.show({ thread: id, markdown }, text(markdown));
    });
}

function defineFollowVerbs(thread: CommandUnknownOpts, cli: Cli): void {
  const verbs = [
    [
      "follow <id>",
      "Get mail at the first failure and the end of the thread's sweep, and digests between",
      "follow",
    ],
    [
      "mute <id>",
      "Get no news of the thread's sweep; what others send you in it still comes",
      "mute",
    ],
    ["unfollow <id>", "Neither follow nor mute it", "none"],
  ] as const;
  for (const [usage, summary, state] of verbs)
    change(thread, usage, summary).action(async (id, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const params = { project: context.project, thread: id };
      const route = "POST /v1/projects/:project/threads/:thread/follow";
      const now = await api(route, { params, body: { state } }, { idempotencyKey });
      await cli.out.show(
        now,
        record([
          ["thread", now.thread],
          ["following", now.following],
        ]),
      );
    });
}
