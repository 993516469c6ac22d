import { Option } from "@commander-js/extra-typings";
import type { Answer } from "./api.ts";
import { at, type CellValue, record, table, text, type View } from "./view.ts";

/** `--importance`, as the contract's levels. */
export const importanceOption = () =>
  new Option("--importance <level>", "how much it matters").choices([
    "low",
    "normal",
    "high",
    "urgent",
  ] as const);

type Sent = Answer<"POST /v1/projects/:project/messages">;
type InboxEntry = Answer<"GET /v1/projects/:project/inbox">["messages"][number];
type Message = Answer<"GET /v1/projects/:project/messages/:message">;

export const sentView = ({ id, thread, recipients, count, skipped = [] }: Sent): View =>
  record([
    ["id", id],
    ["thread", thread],
    ["to", recipients.map(({ agent, seq }) => `${agent} (${seq})`).join(", ")],
    ...(count === undefined ? [] : [["on its way to", count] as const]),
    ...skipped.map(({ agent, reason }) => [`not to ${agent}`, reason] as const),
  ]);

const LEVELS = { low: "low", normal: "", high: "high", urgent: "URGENT" } as const;

/** `unread`, `ack?` for one that waits for an acknowledgement, or nothing. */
function markOf({ readAt, ackedAt, ackRequired }: InboxEntry): string {
  if (ackRequired && ackedAt === null) return "ack?";
  return readAt === null ? "unread" : "";
}

/** The thread of a message; a message that began one without a name of its own gave it its id. */
export const threadCell = ({ id, thread }: Pick<InboxEntry, "id" | "thread">): CellValue =>
  thread === (id as string) ? { implied: thread } : thread;

export const inboxView = (messages: readonly InboxEntry[]): View =>
  table(
    ["SEQ", "", "FROM", "SUBJECT", "SENT", "LEVEL", "THREAD"],
    messages.map((entry) => [
      entry.seq,
      markOf(entry),
      entry.from,
      entry.subject,
      at(entry.sentAt),
      LEVELS[entry.importance],
      threadCell(entry),
    ]),
    "no messages",
  );

const headers = (pairs: readonly (readonly [string, string])[]): string =>
  pairs
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");

/** Whether an acknowledgement is waited for, and until when. */
function ackOf({ ackRequired, ackedAt, ackDueAt }: Message): string {
  if (!ackRequired || ackedAt !== null) return "";
  return ackDueAt === null ? "requested" : `requested, due ${ackDueAt}`;
}

/** A message as people read mail: headers, an empty line, the body. */
export const messageView = (message: Message): View =>
  text(
    `${headers([
      ["From", message.from],
      ["To", message.to.join(", ")],
      ["Cc", message.cc.join(", ")],
      ["Bcc", message.bcc?.join(", ") ?? ""],
      ["Date", message.sentAt],
      ["Subject", message.subject],
      ["Thread", message.thread],
      ["Id", message.id],
      ["Importance", message.importance === "normal" ? "" : message.importance],
      ["Files", message.attachments.map(({ name, size }) => `${name} (${size} bytes)`).join(", ")],
      ["Ack", ackOf(message)],
    ])}\n\n${message.body}${block(message)}`,
  );

/** The block for programs behind the text. */
const block = ({ payload }: Message): string =>
  payload === null ? "" : `\n\n${payload.kind}: ${JSON.stringify(payload.data, null, 2)}`;

type Thread = Answer<"GET /v1/projects/:project/threads/:thread">;

export const threadView = ({ messages }: Thread): View =>
  text(
    messages
      .map(
        ({ id, from, subject, body, sentAt }) =>
          `${headers([
            ["From", from],
            ["Date", sentAt],
            ["Subject", subject],
            ["Id", id],
          ])}\n\n${body}`,
      )
      .join("\n\n---\n\n"),
  );
