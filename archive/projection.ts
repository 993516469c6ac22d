import type { EventBody } from "../contract/events/index.ts";
import type { Projection } from "../storage/log.ts";

const EPOCH = "insert into p_epochs (epoch, last_seq, restored_at) values ($1, $2, $3)";
const REDACTION = `insert into p_redactions (event, message, actor, reason, at) values ($1, $2, $3, $4, $5)
  on conflict (event) do nothing`;

/** Restores and redactions. */
export const archiveProjection: Projection = {
  name: "archive",
  tables: ["p_epochs", "p_redactions"],
  apply: {
    "server.restored": async (query, { at, body }) => {
      const { epoch, lastSeq } = body as EventBody<"server.restored">;
      await query(EPOCH, [epoch, lastSeq, at]);
    },
    "event.redacted": async (query, { at, actor, body }) => {
      const { event, message, reason } = body as EventBody<"event.redacted">;
      await query(REDACTION, [event, message, actor, reason, at]);
    },
  },
};
