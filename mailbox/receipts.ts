import { toTime } from "../contract/ids.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { Kind } from "./recipients.ts";
import { readMessage } from "./read-message.ts";
import { viewerOf } from "./visibility.ts";

/** Those whom a message reached and those whom it did not, each from an index of their names. */
const PAGE = `select * from (
    select * from (select agent, kind, seq, at, read_at, acked_at, null as reason
      from p_deliveries where message = $1 and agent > $2 order by agent limit $3) reached
    union all select * from (select agent, null as kind, null as seq, null as at, null as read_at,
      null as acked_at, reason
      from p_skipped where message = $1 and agent > $2 order by agent limit $3) skipped) both
  order by agent limit $3`;

interface Reached {
  readonly agent: string;
  readonly kind: Kind;
  readonly seq: number;
  readonly at: number;
  readonly read_at: number | null;
  readonly acked_at: number | null;
  readonly reason: null;
}

interface Skipped {
  readonly agent: string;
  readonly reason: "retired" | "policy" | "full";
}

/** The handler of delivery receipts, which are the sender's alone. */
export function receiptHandlers(log: EventLog): Pick<Handlers<typeof mailbox>, "receipts"> {
  return {
    receipts: async ({ params, query: { after = "", limit }, principal }) => {
      const viewer = await viewerOf(log.query, principal, params.project);
      const message = await readMessage(log.query, log.db.dialect, { viewer, ref: params });
      if (!viewer.agents.includes(message.sender)) throw notSender(message.sender);
      const rows = await log.query<Reached | Skipped>(PAGE, [message.id, after, limit + 1]);
      const page = rows.slice(0, limit);
      return {
        id: message.id,
        receipts: page.flatMap((row) => (row.reason === null ? [receiptOf(row)] : [])),
        skipped: page.flatMap(({ agent, reason }) => (reason === null ? [] : [{ agent, reason }])),
        pending: message.pending === 1,
        next: rows.length > limit ? (page.at(-1)?.agent ?? null) : null,
      };
    },
  };
}

const receiptOf = ({ agent, kind, seq, at, read_at, acked_at }: Reached) => ({
  agent,
  kind,
  seq,
  deliveredAt: toTime(at),
  readAt: read_at === null ? null : toTime(read_at),
  ackedAt: acked_at === null ? null : toTime(acked_at),
});

const notSender = (sender: string): ProblemError =>
  new ProblemError("FORBIDDEN", `the receipts of a message are its sender's, ${sender}`, {
    next: "ask the sender",
  });
