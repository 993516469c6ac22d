import type { z } from "zod";
import type { CallContext, Handlers } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { mailbox, Message as MessageView } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Dialect, Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import { callingAgent, type Viewer, viewerOf, visible } from "./visibility.ts";

const BY_SEQ = "select message from p_deliveries where project = $1 and agent = $2 and seq = $3";

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
  readonly at: number;
  readonly seq: number | null;
  readonly read_at: number | null;
  readonly acked_at: number | null;
}

type MessageHandlers = Pick<Handlers<typeof mailbox>, "message" | "markRead" | "ack">;
type Call = Pick<CallContext, "principal">;
/** A message as the caller names it: by id, or by its seq in the caller's inbox. */
export interface Ref {
  readonly project: string;
  readonly message: string;
}

/** The handlers about messages that have been sent. */
export function messageHandlers(log: EventLog): MessageHandlers {
  const { dialect } = log.db;
  return {
    message: async ({ params, principal }) => {
      const viewer = await viewerOf(log.query, principal, params.project);
      return messageView(await readMessage(log.query, dialect, { viewer, ref: params }), viewer);
    },
    markRead: async (call) => {
      const { viewer, row } = await readOwn(log, call);
      return messageView(
        row.read_at === null ? await mark(log, call, "message.read") : row,
        viewer,
      );
    },
    ack: async (call) => {
      const { row } = await readOwn(log, call);
      if (row.seq === null) throw notDelivered(row.id);
      const acked = row.acked_at === null ? await mark(log, call, "message.acked") : row;
      return {
        id: acked.id,
        readAt: toTime(acked.read_at ?? acked.at),
        ackedAt: toTime(acked.acked_at ?? acked.at),
      };
    },
  };
}

/** The message of a call by an agent, as that agent sees it. */
async function readOwn(
  log: EventLog,
  { params, principal }: Call & { readonly params: Ref },
): Promise<{ viewer: Viewer; row: MessageRow }> {
  const { project } = params;
  const viewer = { project, agents: [callingAgent(principal, project)] };
  return { viewer, row: await readMessage(log.query, log.db.dialect, { viewer, ref: params }) };
}

/** Records that the calling agent has read or accepted the message, unless it was recorded before; answers the row after that. */
function mark(
  log: EventLog,
  call: CallContext & { readonly params: Ref },
  type: "message.read" | "message.acked",
): Promise<MessageRow> {
  const { params, principal } = call;
  const agent = callingAgent(principal, params.project);
  const viewer = { project: params.project, agents: [agent] };
  const read = (query: Query): Promise<MessageRow> =>
    readMessage(query, log.db.dialect, { viewer, ref: params });
  return log.once(
    callOf(call, [`mail:${params.project}`], params.message),
    async (tx) => {
      const row = await read(tx.query);
      const done = type === "message.read" ? row.read_at : row.acked_at;
      if (row.seq === null || done !== null) return row;
      const body = { agent, message: row.id };
      await tx.append({ type, project: params.project, actor: principal.actor, body });
      return read(tx.query);
    },
    read,
  );
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

function messageView(row: MessageRow, { agents }: Viewer): z.input<typeof MessageView> {
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

const notDelivered = (id: string): ProblemError =>
  new ProblemError(
    "CONFLICT",
    `the message ${id} was not delivered to you, so it is not yours to accept`,
    {
      next: "reply in its thread instead",
    },
  );
