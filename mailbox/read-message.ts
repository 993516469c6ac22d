import type { z } from "zod";
import type { Attachment } from "../contract/events/mailbox.ts";
import { toTime } from "../contract/ids.ts";
import type { Message as MessageView } from "../contract/mail/messages.ts";
import type { Payload } from "../contract/mail/text.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import { type Viewer, visible } from "./visibility.ts";

const BY_SEQ = `select message from p_deliveries
  where project = $1 and agent = $2 and (read_at is null) in (true, false) and seq = $3`;
const FILES = "select sha256, name, size, type from p_attachments where message = $1 order by n";

/** A message with the marks of the viewer, if that is one agent to which it was delivered. */
export interface MessageRow {
  readonly id: string;
  readonly thread: string;
  readonly reply_to: string | null;
  readonly sender: string;
  readonly to_list: string;
  readonly cc_list: string;
  readonly bcc_list: string;
  readonly subject: string;
  readonly body: string;
  readonly importance: z.input<typeof MessageView>["importance"];
  readonly ack_required: number;
  readonly ack_within: number | null;
  readonly expires_after: number | null;
  readonly payload: string | null;
  readonly pending: number;
  readonly at: number;
  readonly seq: number | null;
  readonly read_at: number | null;
  readonly acked_at: number | null;
}

/** A message as the caller names it: by id, or by its seq in the caller's inbox. */
export interface Ref {
  readonly project: string;
  readonly message: string;
}

/** @throws ProblemError NOT_FOUND, the same for a message that the viewer does not see as for none */
export async function readMessage(
  query: Query,
  dialect: Dialect,
  { viewer, ref }: { readonly viewer: Viewer; readonly ref: Ref },
): Promise<MessageRow> {
  const id = await messageId(query, viewer, ref.message);
  const agents = dialect.list("$3");
  const [row] = await query<MessageRow>(
    `select m.*, d.seq, d.read_at, d.acked_at from p_messages m
     left join p_deliveries d on d.message = m.id and d.agent = $4
     where m.id = $1 and m.project = $2 and ${visible("m", agents)}`,
    [
      id,
      viewer.project,
      JSON.stringify(viewer.agents),
      viewer.agents.length === 1 ? viewer.agents[0] : null,
    ],
  );
  if (row === undefined) throw notFound(ref.message);
  return row;
}

async function messageId(query: Query, { project, agents }: Viewer, ref: string): Promise<string> {
  if (!/^\d+$/.test(ref)) return ref;
  const [agent] = agents;
  if (agents.length !== 1 || agent === undefined) {
    throw new ProblemError(
      "BAD_REQUEST",
      `${ref} is a place in an inbox, and you have several or none`,
      {
        next: "act as one agent (--as NAME), or give the id of the message",
      },
    );
  }
  const [row] = await query<{ message: string }>(BY_SEQ, [project, agent, Number(ref)]);
  if (row === undefined) throw notFound(ref);
  return row.message;
}

/** The message as the viewer sees it: a bcc for the sender only. */
export async function messageView(
  query: Query,
  row: MessageRow,
  { agents }: Viewer,
): Promise<z.input<typeof MessageView>> {
  const after = (ms: number | null): string | null => (ms === null ? null : toTime(row.at + ms));
  return {
    id: row.id,
    thread: row.thread,
    replyTo: row.reply_to,
    from: row.sender,
    to: namesIn(row.to_list),
    cc: namesIn(row.cc_list),
    ...(agents.includes(row.sender) ? { bcc: namesIn(row.bcc_list) } : {}),
    subject: row.subject,
    body: row.body,
    importance: row.importance,
    ackRequired: row.ack_required === 1,
    ackDueAt: after(row.ack_within),
    expiresAt: after(row.expires_after),
    payload: row.payload === null ? null : (JSON.parse(row.payload) as Payload),
    attachments: await query<z.input<typeof Attachment>>(FILES, [row.id]),
    sentAt: toTime(row.at),
    seq: row.seq,
    readAt: row.read_at === null ? null : toTime(row.read_at),
    ackedAt: row.acked_at === null ? null : toTime(row.acked_at),
  };
}

/** A list of names as a row holds it. */
export const namesIn = (list: string): string[] => JSON.parse(list) as string[];

const notFound = (ref: string): ProblemError =>
  new ProblemError("NOT_FOUND", `no message ${ref} that you can see`, {
    details: [{ message: ref }],
    next: "list your mail: gridpost inbox",
  });
