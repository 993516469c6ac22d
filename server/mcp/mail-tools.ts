import { ProblemError } from "../../contract/problem.ts";
import { z } from "zod";
import { type McpCall, toolsFor } from "./tool.ts";

const tool = toolsFor<McpCall>();
const names = z.array(z.string()).max(1_000);
const importance = z.enum(["low", "normal", "high", "urgent"]);
const message = z
  .union([z.string(), z.int()])
  .describe("id, or seq in your inbox")
  .transform(String);
/** A block for programs; the contract bounds it. */
const Block = z.strictObject({ kind: z.string(), data: z.record(z.string(), z.any()) });
const limit = z.int().min(1).max(100).optional();

export const mailTools = [
  tool({
    name: "inbox",
    description:
      "List your messages by ascending seq. Consumes nothing: pass `next` as `after` for the following page. Without `after`: the newest, and `more` means older ones.",
    input: z.strictObject({
      after: z.int().min(0).optional(),
      unread: z.boolean().optional(),
      urgent: z.boolean().optional(),
      thread: z.string().optional(),
      waitSeconds: z.int().min(0).max(300).optional(),
      limit,
    }),
    run: async ({ waitSeconds = 0, ...query }, { client, project }) => {
      const page = await client.mailbox.inbox({
        params: { project },
        query: { ...flags(query), wait: waitSeconds * 1_000 },
      });
      return {
        ...page,
        messages: page.messages.map(({ readAt, ackedAt, ackRequired, ...entry }) => ({
          ...entry,
          ...(readAt === null ? { unread: true } : {}),
          ...(ackRequired && ackedAt === null ? { ackRequired: true } : {}),
        })),
      };
    },
  }),
  tool({
    name: "read",
    description: "Show a message with its body and mark it read (`peek`: do not mark).",
    input: z.strictObject({ message, peek: z.boolean().optional() }),
    run: (args, { client, project }) => {
      const params = { project, message: args.message };
      return args.peek === true
        ? client.mailbox.message({ params })
        : client.mailbox.markRead({ params });
    },
  }),
  tool({
    name: "send",
    description:
      "Send Markdown to agents, @groups or @all; or reply: give `replyTo` (and `all` to reach every recipient) instead of `to` and `subject`.",
    input: z.strictObject({
      to: names.optional(),
      subject: z.string().optional(),
      body: z.string(),
      cc: names.optional(),
      bcc: names.optional(),
      thread: z.string().optional(),
      replyTo: message.optional(),
      all: z.boolean().optional(),
      open: z.boolean().optional(),
      importance: importance.optional(),
      ackRequired: z.boolean().optional(),
      payload: Block.optional(),
    }),
    run: ({ replyTo, all, to, subject, bcc, thread, open, ...rest }, { client, project }) => {
      if (replyTo === undefined)
        return client.mailbox.send({
          params: { project },
          body: { to: to ?? [], subject: subject ?? "", ...given({ bcc, thread, open }), ...rest },
        });
      refuse({ to, bcc, thread, open });
      return client.mailbox.reply({
        params: { project, message: replyTo },
        body: { ...given({ all, subject }), ...rest },
      });
    },
  }),
  tool({
    name: "ack",
    description: "Accept responsibility for a message; implies read.",
    input: z.strictObject({ message }),
    run: (args, { client, project }) =>
      client.mailbox.ack({ params: { project, message: args.message } }),
  }),
  tool({
    name: "thread",
    description:
      "Show a thread in order, long bodies cut (`read` has them whole), or with `digest` only who takes part, decisions, open and done tasks. Without `thread`: list your threads. `follow`: be told of the first failure and the end of its sweep, `mute`: not.",
    input: z.strictObject({
      thread: z.string().optional(),
      digest: z.boolean().optional(),
      follow: z.enum(["follow", "mute", "none"]).optional(),
      after: z.string().optional(),
      limit,
    }),
    run: async ({ thread, digest, follow, ...query }, { client, project }) => {
      if (thread === undefined && follow !== undefined)
        throw new ProblemError("BAD_REQUEST", "no thread is named", {
          next: "give `thread`, too",
        });
      if (thread === undefined) return client.mailbox.threads({ params: { project }, query });
      const params = { project, thread };
      if (follow !== undefined)
        return client.mailbox.followThread({ params, body: { state: follow } });
      if (digest === true) return client.mailbox.threadDigest({ params });
      const page = await client.mailbox.thread({ params, query });
      return { ...page, messages: page.messages.map(inShort) };
    },
  }),
  tool({
    name: "search",
    description:
      'Search subjects and bodies: words, "phrases", prefix*, AND OR NOT ( ), from: to: thread: importance: before: after: has:attachment.',
    input: z.strictObject({
      query: z.string(),
      order: z.enum(["relevance", "recent"]).optional(),
      after: z.string().optional(),
      limit,
    }),
    run: ({ query: q, ...query }, { client, project }) =>
      client.mailbox.search({ params: { project }, query: { q, ...query } }),
  }),
];

/** Characters of a body that a thread shows: 50 bodies of 1 MiB would fill the memory of any agent. */
const SHOWN_BODY = 4_000;

/** A message of a thread; `bodyLength` says that there is more of its body. */
const inShort = <M extends { readonly body: string }>(message: M): M & { bodyLength?: number } =>
  message.body.length <= SHOWN_BODY
    ? message
    : {
        ...message,
        body: message.body.slice(0, SHOWN_BODY).replace(/[\ud800-\udbff]$/, ""),
        bodyLength: message.body.length,
      };

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the members that were left out. */
export const given = <T extends object>(members: T): Given<T> =>
  Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Given<T>;

/** Query parameters are text on the wire. */
export const flags = <T extends object>(
  query: T,
): { [K in keyof T]: T[K] extends boolean | undefined ? string : T[K] } =>
  Object.fromEntries(
    Object.entries(query).map(([key, value]) => [
      key,
      typeof value === "boolean" ? String(value) : value,
    ]),
  ) as { [K in keyof T]: T[K] extends boolean | undefined ? string : T[K] };

function refuse(members: Record<string, unknown>): void {
  const [first] = Object.keys(given(members));
  if (first === undefined) return;
  throw new ProblemError(
    "BAD_REQUEST",
    `a reply takes no \`${first}\`: it goes to the sender, in its thread`,
    {
      next: "leave it out, or send a new message without `replyTo`",
    },
  );
}
