import type { archive } from "../contract/archive.ts";
import type { EventBody } from "../contract/events/index.ts";
import type { Handlers } from "../contract/handlers.ts";
import { MessageId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";

/** What stands in place of a redacted subject and body. */
export const TOMBSTONE = "[redacted]";

const NOTE =
  "hidden from mail and readable files; the journal and Git's history still hold it: to erase it, rewrite both and every clone";
const BY_EVENT = "select id, type, project, body from events where id = $1";
/** Ids are in the order of time, and a message has its id moments before its event has. */
const BY_MESSAGE = `select id, type, project, body from events
  where id > $1 and id < $2 and type = 'message.sent' and json_extract(body, '$.id') = $1`;
const MOMENTS_MS = 60_000;
const REDACTED = "select 1 from p_redactions where event = $1";
const MESSAGE_OF = "select message from p_redactions where event = $1";

interface Found {
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
        const body: EventBody<"event.redacted"> = { event: found.id, message, thread, reason };
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
  const [byEvent] = await query<Found>(BY_EVENT, [id]);
  const [found] =
    byEvent === undefined ? await query<Found>(BY_MESSAGE, [id, idLater(id)]) : [byEvent];
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

/** The least UUIDv7 that is made a while after another. */
function idLater(id: string): string {
  const at = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) + MOMENTS_MS;
  const hex = at.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}
