import { toTime } from "../contract/ids.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { Kind } from "./recipients.ts";
import { readMessage } from "./read-message.ts";
import { viewerOf } from "./visibility.ts";

const RECEIPTS = `select agent, kind, seq, at, read_at, acked_at from p_deliveries
  where message = $1 order by agent limit 10000`;
const SKIPPED = "select agent, reason from p_skipped where message = $1 order by agent limit 10000";

interface ReceiptRow {
  readonly agent: string;
  readonly kind: Kind;
  readonly seq: number;
  readonly at: number;
  readonly read_at: number | null;
  readonly acked_at: number | null;
}

/** The handler of delivery receipts, which are the sender's alone. */
export function receiptHandlers(log: EventLog): Pick<Handlers<typeof mailbox>, "receipts"> {
  return {
    receipts: async ({ params, principal }) => {
      const viewer = await viewerOf(log.query, principal, params.project);
      const message = await readMessage(log.query, log.db.dialect, { viewer, ref: params });
      if (!viewer.agents.includes(message.sender)) throw notSender(message.sender);
      const rows = await log.query<ReceiptRow>(RECEIPTS, [message.id]);
      return {
        id: message.id,
        receipts: rows.map(({ agent, kind, seq, at, read_at, acked_at }) => ({
          agent,
          kind,
          seq,
          deliveredAt: toTime(at),
          readAt: read_at === null ? null : toTime(read_at),
          ackedAt: acked_at === null ? null : toTime(acked_at),
        })),
        skipped: await log.query(SKIPPED, [message.id]),
        pending: message.pending === 1,
      };
    },
  };
}

const notSender = (sender: string): ProblemError =>
  new ProblemError("FORBIDDEN", `the receipts of a message are its sender's, ${sender}`, {
    next: "ask the sender",
  });
