import type { Answer, Api } from "../api.ts";
import { count, duration, given } from "../arguments.ts";
import { saveAttachments } from "../attachments.ts";
import { change, type Define, examples, leaf } from "../command.ts";
import { inboxView, messageView } from "../mail-view.ts";
import { patiently, RESTART_MS } from "../patience.ts";
import { at, record, table } from "../view.ts";

/** The server holds a long poll for at most so long; a longer wait is several of them. */
const POLL_MS = 60_000;

type Inbox = Answer<"GET /v1/projects/:project/inbox">;

interface InboxRequest {
  readonly project: string;
  readonly query: Record<string, string | number | undefined>;
  /** How long to wait for a message, in milliseconds. */
  readonly waitMs: number;
}

/**
 * A page of the inbox, as soon as it holds a message or the wait is over. Whoever asks a server that is away is told at
 * once; one that goes away meanwhile is waited for.
 */
export async function readInbox(
  api: Api,
  { project, query, waitMs }: InboxRequest,
): Promise<Inbox> {
  const until = performance.now() + waitMs;
  const left = (): number => Math.max(0, Math.round(until - performance.now()));
  const ask = (wait: number): Promise<Inbox> =>
    api(
      "GET /v1/projects/:project/inbox",
      { params: { project }, query: { ...query, wait } },
      { timeoutMs: wait + 30_000 },
    );
  let page = await ask(0);
  while (page.messages.length === 0 && left() > 0)
    page = await patiently(Math.min(RESTART_MS, left()), () => ask(Math.min(POLL_MS, left())));
  return page;
}

/** How to see what a page left out. The same command: its filters and its project stay. */
export const restOf = (after: number | undefined, { next }: Pick<Inbox, "next">): string =>
  after === undefined
    ? "older ones: the same command with --after 0"
    : `more: the same command with --after ${next}`;

/** A switch as a query holds it. */
const flag = (on: true | undefined): "true" | undefined => (on ? "true" : undefined);

/** `gridpost inbox` */
export const defineInbox: Define = (program, cli) => {
  leaf(program, "inbox", "List the newest messages of your inbox; consumes nothing")
    .option("--after <seq>", "only messages after this place", count)
    .option("--limit <n>", "at most so many (default 20)", count)
    .option("--unread", "only unread messages")
    .option("--urgent", "only high and urgent ones")
    .option("--thread <id>", "only messages of a thread")
    .option("--ack-overdue", "only those that you did not acknowledge in time")
    .option("--wait <duration>", "wait so long for a message, such as 30s", duration)
    .addHelpText("after", examples("inbox --unread", "inbox --after 41 --wait 5m --json"))
    .action(async (options) => {
      const { after, limit, thread, wait } = options;
      const { unread, urgent, ackOverdue } = options;
      const context = cli.context(options);
      const { api } = await context.agent();
      const page = await readInbox(api, {
        project: context.project,
        query: {
          ...given({ after, limit, thread }),
          ...given({ unread: flag(unread), urgent: flag(urgent), ackOverdue: flag(ackOverdue) }),
        },
        waitMs: wait ?? 0,
      });
      await cli.out.show(page, inboxView(page.messages));
      if (page.more && cli.out.tty) cli.out.note(restOf(after, page));
    });
};

/** `gridpost read` */
export const defineRead: Define = (program, cli) => {
  change(program, "read <message>", "Show a message and mark it read")
    .option("--peek", "do not mark it read")
    .option("--save <dir>", "write the files that it carries into a folder")
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
      if (options.save !== undefined) {
        const { project } = context;
        for (const path of await saveAttachments({ api, project, folder: options.save }, shown))
          cli.out.note(`saved ${path}`);
      }
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

/** `gridpost receipts` */
export const defineReceipts: Define = (program, cli) => {
  leaf(program, "receipts <message>", "How a message that you sent fared with each recipient")
    .option("--after <cursor>", "the next of the page before")
    .option("--limit <n>", "at most so many", count)
    .addHelpText("after", examples("receipts 01991c7e-…"))
    .action(async (message, { after, limit, ...common }) => {
      const context = cli.context(common);
      const { api } = await context.agent();
      const shown = await api("GET /v1/projects/:project/messages/:message/receipts", {
        params: { project: context.project, message },
        query: given({ after, limit }),
      });
      const rows = shown.receipts.map((one) => [
        one.agent,
        one.kind,
        at(one.deliveredAt),
        at(one.readAt),
        at(one.ackedAt),
      ]);
      const left = shown.skipped.map(({ agent, reason }) => [agent, `not: ${reason}`, "", "", ""]);
      const columns = ["AGENT", "AS", "DELIVERED", "READ", "ACKED"];
      await cli.out.show(shown, table(columns, [...rows, ...left], "delivered to nobody yet"));
      if (shown.pending) cli.out.note("it is on its way to others");
    });
};
