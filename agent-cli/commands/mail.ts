import { change, type Define, examples, leaf } from "../command.ts";
import { count, duration, given, names } from "../arguments.ts";
import type { Answer, Api } from "../api.ts";
import { importanceOption, inboxView, messageView, sentView, threadView } from "../mail-view.ts";
import { bodyOf } from "../message-body.ts";
import { at, record, table } from "../view.ts";

/** `gridpost send` */
export const defineSend: Define = (program, cli) => {
  change(program, "send <to...>", "Send a message to agents")
    .requiredOption("-s, --subject <text>", "at most 200 characters")
    .option("-b, --body <markdown>", "the message")
    .option("-f, --file <file>", "the message from a file; - is stdin")
    .option("--cc <agents>", "copies; several with commas", names)
    .option("--bcc <agents>", "copies that nobody else sees", names)
    .option("--thread <id>", "go on in this thread, or name a new one")
    .option("--open", "every reader of the project may see a new thread")
    .addOption(importanceOption())
    .option("--ack", "ask the recipients to acknowledge")
    .addHelpText(
      "after",
      examples(
        'send blue -s "Matrix done" -b "All 12 cells passed."',
        "send blue red --cc ops -s Notes -f notes.md --thread nightly",
      ),
    )
    .action(async (to, options) => {
      const { subject, cc, bcc, thread, open, importance, ack: ackRequired } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const body = await bodyOf(options, cli.environment);
      const { api } = await context.agent();
      const sent = await api(
        "POST /v1/projects/:project/messages",
        {
          params: { project: context.project },
          body: { to, subject, ...given({ body, cc, bcc, thread, open, importance, ackRequired }) },
        },
        { idempotencyKey },
      );
      await cli.out.show(sent, sentView(sent));
    });
};

/** `gridpost reply` */
export const defineReply: Define = (program, cli) => {
  change(program, "reply <message>", "Reply to a message, in its thread")
    .option("-b, --body <markdown>", "the reply")
    .option("-f, --file <file>", "the reply from a file; - is stdin")
    .option("-s, --subject <text>", "another subject")
    .option("--all", "also to the other recipients")
    .option("--cc <agents>", "copies; several with commas", names)
    .addOption(importanceOption())
    .option("--ack", "ask the recipients to acknowledge")
    .addHelpText("after", examples('reply 12 -b "On it."', "reply 12 --all -f answer.md"))
    .action(async (message, options) => {
      const { subject, all, cc, importance, ack: ackRequired } = options;
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const body = (await bodyOf(options, cli.environment)) ?? "";
      const { api } = await context.agent();
      const sent = await api(
        "POST /v1/projects/:project/messages/:message/reply",
        {
          params: { project: context.project, message },
          body: { body, ...given({ subject, all, cc, importance, ackRequired }) },
        },
        { idempotencyKey },
      );
      await cli.out.show(sent, sentView(sent));
    });
};

/** The server holds a long poll for at most so long; a longer wait is several of them. */
const POLL_MS = 60_000;

type Inbox = Answer<"GET /v1/projects/:project/inbox">;

interface InboxRequest {
  readonly project: string;
  readonly query: { after?: number; limit?: number; unread?: boolean };
  /** How long to wait for a message, in milliseconds. */
  readonly waitMs: number;
}

async function readInbox(api: Api, { project, query, waitMs }: InboxRequest): Promise<Inbox> {
  const until = performance.now() + waitMs;
  for (;;) {
    const wait = Math.max(0, Math.min(POLL_MS, Math.round(until - performance.now())));
    const { unread, ...place } = query;
    const page = await api(
      "GET /v1/projects/:project/inbox",
      {
        params: { project },
        query: { ...place, ...(unread === undefined ? {} : { unread: String(unread) }), wait },
      },
      { timeoutMs: wait + 30_000 },
    );
    if (page.messages.length > 0 || performance.now() >= until) return page;
  }
}

/** `gridpost inbox` */
export const defineInbox: Define = (program, cli) => {
  leaf(program, "inbox", "List the newest messages of your inbox; consumes nothing")
    .option("--after <seq>", "only messages after this place", count)
    .option("--limit <n>", "at most so many (default 20)", count)
    .option("--unread", "only unread messages")
    .option("--wait <duration>", "wait so long for a message, such as 30s", duration)
    .addHelpText("after", examples("inbox --unread", "inbox --after 41 --wait 5m --json"))
    .action(async ({ after, limit, unread, wait, ...common }) => {
      const context = cli.context(common);
      const { api } = await context.agent();
      const page = await readInbox(api, {
        project: context.project,
        query: given({ after, limit, unread }),
        waitMs: wait ?? 0,
      });
      await cli.out.show(page, inboxView(page.messages));
      if (page.more && cli.out.tty) cli.out.note(`more: gridpost inbox --after ${page.next}`);
    });
};

/** `gridpost read` */
export const defineRead: Define = (program, cli) => {
  change(program, "read <message>", "Show a message and mark it read")
    .option("--peek", "do not mark it read")
    .addHelpText("after", examples("read 12", "read 12 --peek --json"))
    .action(async (message, options) => {
      const context = cli.context(options);
      const request = { params: { project: context.project, message } };
      const idempotencyKey = options.peek ? undefined : cli.key(options);
      const { api } = await context.agent();
      const shown =
        idempotencyKey === undefined
          ? await api("GET /v1/projects/:project/messages/:message", request)
          : await api("POST /v1/projects/:project/messages/:message/read", request, {
              idempotencyKey,
            });
      await cli.out.show(shown, messageView(shown));
    });
};

/** `gridpost ack` */
export const defineAck: Define = (program, cli) => {
  change(program, "ack <message>", "Accept responsibility for a message; implies read")
    .addHelpText("after", examples("ack 12"))
    .action(async (message, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const { api } = await context.agent();
      const acked = await api(
        "POST /v1/projects/:project/messages/:message/ack",
        { params: { project: context.project, message } },
        { idempotencyKey },
      );
      await cli.out.show(
        acked,
        record([
          ["id", acked.id],
          ["read", at(acked.readAt)],
          ["acked", at(acked.ackedAt)],
        ]),
      );
    });
};

/** `gridpost thread` */
export const defineThread: Define = (program, cli) => {
  leaf(program, "thread [id]", "Show a thread, or list the threads that you see")
    .option("--after <cursor>", "the next of the page before")
    .option("--limit <n>", "at most so many", count)
    .addHelpText("after", examples("thread", "thread nightly --json"))
    .action(async (thread, { after, limit, ...common }) => {
      const context = cli.context(common);
      const { project } = context;
      const api = await context.caller();
      const query = given({ after, limit });
      if (thread === undefined) {
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
        params: { project, thread },
        query,
      });
      await cli.out.show(page, threadView(page));
    });
};
