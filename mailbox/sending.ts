import type { Handlers, Principal } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { openRoom } from "../storage/room.ts";
import { fold } from "./names.ts";
import { type MessageRow, namesIn, readMessage } from "./read-message.ts";
import { replyRecipients, replySubject } from "./rules.ts";
import { type Draft, sendMessage, sentReply } from "./send.ts";
import { callingAgent } from "./visibility.ts";

type SendHandlers = Pick<Handlers<typeof mailbox>, "send" | "reply">;

/** Whose uploads a caller may attach and read. */
export const uploadersOf = ({ id, act }: Principal): string[] => (act === null ? [id] : [id, act]);

/**
 * The handlers that send.
 * @param maxUnread how many unread messages an inbox takes
 */
export function sendHandlers(log: EventLog, maxUnread: number): SendHandlers {
  const { dialect } = log.db;
  const room = openRoom(maxUnread);
  const deliver = (tx: LogTx, id: string, draft: Draft): ReturnType<typeof sendMessage> =>
    sendMessage(tx, { dialect, room }, { id, draft });
  return {
    send: (call) => {
      const { project } = call.params;
      const { principal, body } = call;
      // Each by its name: a spread copy with further properties costs as much as several statements.
      const draft: Draft = {
        project,
        actor: principal.actor,
        from: callingAgent(principal, project),
        uploaders: uploadersOf(principal),
        to: body.to,
        cc: body.cc,
        bcc: body.bcc,
        subject: body.subject,
        body: body.body,
        thread: body.thread,
        open: body.open,
        importance: body.importance,
        ackRequired: body.ackRequired,
        ackWithinMs: body.ackWithinMs,
        expiresAfterMs: body.expiresAfterMs,
        payload: body.payload,
        attachments: body.attachments,
        replyTo: null,
        implied: [],
        answers: null,
      };
      return log.once(
        callOf(call, [`mail:${project}`]),
        (tx, id) => deliver(tx, id, draft),
        sentReply,
      );
    },
    reply: (call) => {
      const { params, principal, body } = call;
      const { project } = params;
      const from = callingAgent(principal, project);
      const viewer = { project, agents: [from] };
      return log.once(
        callOf(call, [`mail:${project}`]),
        async (tx, id) => {
          const original = await readMessage(tx.query, dialect, { viewer, ref: params });
          const draft = replyDraft(original, body, { project, principal, from });
          return deliver(tx, id, draft);
        },
        sentReply,
      );
    },
  };
}

type ReplyBody = Parameters<SendHandlers["reply"]>[0]["body"];
interface Replier {
  readonly project: string;
  readonly principal: Principal;
  readonly from: string;
}

function replyDraft(
  original: MessageRow,
  body: ReplyBody,
  { project, principal, from }: Replier,
): Draft {
  const addressed = {
    from: original.sender,
    to: namesIn(original.to_list),
    cc: namesIn(original.cc_list),
  };
  const reached = replyRecipients(addressed, from, body.all);
  const to = body.to ?? reached.to;
  // Whoever is named instead of the sender does not keep it from the others.
  const others =
    body.to !== undefined && body.all ? reached.to.filter((name) => name !== original.sender) : [];
  const cc = [...others, ...reached.cc];
  const named = new Set([...(body.to ?? []), ...body.cc, ...body.bcc].map(fold));
  const several = body.all || original.sender === from;
  return {
    project,
    actor: principal.actor,
    uploaders: uploadersOf(principal),
    from,
    to,
    cc: [...cc, ...body.cc],
    bcc: body.bcc,
    implied: several ? [...to, ...cc].filter((name) => !named.has(fold(name))) : [],
    // Delivered to the sender, so that its author has asked for an answer.
    answers: original.seq === null ? null : original.sender,
    subject: body.subject ?? replySubject(original.subject),
    body: body.body,
    thread: original.thread,
    open: false,
    replyTo: original.id,
    importance: body.importance ?? original.importance,
    ackRequired: body.ackRequired ?? original.ack_required === 1,
    ackWithinMs: undefined,
    expiresAfterMs: undefined,
    payload: body.payload,
    attachments: body.attachments,
  };
}
