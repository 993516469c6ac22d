import type { Handlers } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import { type MessageRow, namesIn, readMessage } from "./messages.ts";
import { replyRecipients, replySubject } from "./rules.ts";
import { type Draft, sendMessage, sentReply } from "./send.ts";
import { callingAgent } from "./visibility.ts";

type SendHandlers = Pick<Handlers<typeof mailbox>, "send" | "reply">;

/** The handlers that send. */
export function sendHandlers(log: EventLog): SendHandlers {
  const { dialect } = log.db;
  return {
    send: (call) => {
      const { project } = call.params;
      const from = callingAgent(call.principal, project);
      const { actor } = call.principal;
      return log.once(
        callOf(call, [`mail:${project}`]),
        async (tx, id) => {
          const draft = {
            ...call.body,
            project,
            actor,
            from,
            thread: call.body.thread,
            replyTo: null,
          };
          return sendMessage(tx, id, draft);
        },
        sentReply,
      );
    },
    reply: (call) => {
      const { project } = call.params;
      const from = callingAgent(call.principal, project);
      const viewer = { project, agents: [from] };
      return log.once(
        callOf(call, [`mail:${project}`]),
        async (tx, id) => {
          const original = await readMessage(tx.query, dialect, { viewer, ref: call.params });
          const draft = replyDraft(original, { ...call, from });
          return sendMessage(tx, id, draft);
        },
        sentReply,
      );
    },
  };
}

type ReplyCall = Parameters<SendHandlers["reply"]>[0] & { readonly from: string };

function replyDraft(original: MessageRow, { params, body, principal, from }: ReplyCall): Draft {
  const addressed = {
    from: original.sender,
    to: namesIn(original.to_list),
    cc: namesIn(original.cc_list),
  };
  const { to, cc } = replyRecipients(addressed, from, body.all);
  return {
    project: params.project,
    actor: principal.actor,
    from,
    to,
    cc: [...cc, ...body.cc],
    bcc: [],
    subject: body.subject ?? replySubject(original.subject),
    body: body.body,
    thread: original.thread,
    open: false,
    replyTo: original.id,
    importance: body.importance ?? original.importance,
    ackRequired: body.ackRequired ?? original.ack_required === 1,
  };
}
