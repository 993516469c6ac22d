import type { CallContext, Handlers } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import { type MessageRow, messageView, readMessage, type Ref } from "./read-message.ts";
import { callingAgent, type Viewer, viewerOf } from "./visibility.ts";

type MessageHandlers = Pick<Handlers<typeof mailbox>, "message" | "markRead" | "ack">;
type Call = Pick<CallContext, "principal">;
/** The handlers about messages that have been sent. */
export function messageHandlers(log: EventLog): MessageHandlers {
  const { dialect } = log.db;
  return {
    message: async ({ params, principal }) => {
      const viewer = await viewerOf(log.query, principal, params.project);
      const row = await readMessage(log.query, dialect, { viewer, ref: params });
      return messageView(log.query, row, viewer);
    },
    markRead: async (call) => {
      const { viewer, row } = await readOwn(log, call);
      const read = row.read_at === null ? await mark(log, call, "message.read") : row;
      return messageView(log.query, read, viewer);
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

const notDelivered = (id: string): ProblemError =>
  new ProblemError(
    "CONFLICT",
    `the message ${id} was not delivered to you, so it is not yours to accept`,
    {
      next: "reply in its thread instead",
    },
  );
