import { setImmediate } from "node:timers/promises";
import type { archive } from "../contract/archive.ts";
import type { EventBody } from "../contract/events/index.ts";
import type { Handlers } from "../contract/handlers.ts";
import { MessageId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import { lastSeq } from "../storage/log.ts";

/** What stands in place of a redacted subject and body. */
export const TOMBSTONE = "[redacted]";

const NOTE =
  "hidden from mail and readable files, its attachments too; replies and reminders that repeat its subject or text do so still: redact them as well; the journal, Git's history and the blobs folder still hold it: to erase it, rewrite the former and every clone, and delete the blobs";
/** Neither ids of events nor those of their messages are indexed: every append would pay for it, and this is rare. */
const IN_STRETCH = `select seq, id, type, project, body from events where seq > $1 and seq <= $2
  and (id = $3 or (type = 'message.sent' and body like '%' || $3 || '%' and json_extract(body, '$.id') = $3)) limit 1`;
/** Read between two turns of the event loop. */
const STRETCH = 5_000;
const REDACTED = "select 1 from p_redactions where event = $1";
const MESSAGE_OF = "select message from p_redactions where event = $1";

interface Found {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly project: string;
  readonly body: string;
}

/** Appends that a message is hidden; repeating it changes nothing. */
export function redactHandler(log: EventLog): Handlers<typeof archive>["redact"] {
  return async (call) => {
    const { event: id, reason } = call.body;
    const found = await findMessage(log.query, id);
    return log.once(
      callOf(call, [`event:${found.id}`], found.id),
      async (tx) => {
        const { id: message, thread } = JSON.parse(found.body) as EventBody<"message.sent">;
        const body: EventBody<"event.redacted"> = {
          event: found.id,
          place: found.seq,
          message,
          thread,
          reason,
        };
        const { actor } = call.principal;
        if ((await tx.query(REDACTED, [found.id])).length === 0)
          await tx.append({ type: "event.redacted", project: found.project, actor, body });
        return { event: found.id, message, note: NOTE };
      },
      async (query, event) => {
        const [row] = await query<{ message: string }>(MESSAGE_OF, [event]);
        return { event, message: MessageId.parse(row?.message), note: NOTE };
      },
    );
  };
}

/** @throws ProblemError NOT_FOUND, UNPROCESSABLE for an event that is no message */
async function findMessage(query: Query, id: string): Promise<Found> {
  const found = await findInLog(query, id);
  if (found === undefined) {
    throw new ProblemError("NOT_FOUND", `there is no event and no message ${id}`, {
      next: "take the id from the message, or from the archive's file",
    });
  }
  if (found.type === "message.sent") return found;
  throw new ProblemError("UNPROCESSABLE", `the event ${id} is ${found.type}, not a message`, {
    next: "only messages can be redacted",
  });
}

/** From the newest event back. */
async function findInLog(query: Query, id: string): Promise<Found | undefined> {
  for (let to = await lastSeq(query); to > 0; to -= STRETCH) {
    const [found] = await query<Found>(IN_STRETCH, [to - STRETCH, to, id]);
    if (found !== undefined) return found;
    await setImmediate();
  }
  return undefined;
}
