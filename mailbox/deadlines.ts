import type { DeadlineKinds } from "../storage/deadlines.ts";
import type { LogTx } from "../storage/log.ts";
import { ACK_DEADLINE } from "./send.ts";

const OVERDUE = `select m.project, d.agent from p_messages m join p_deliveries d on d.message = m.id
  where m.id = $1 and d.ack_within is not null
    and (m.expires_after is null or m.at + m.expires_after > $2) order by d.agent`;

/** The deadlines of the mailbox: one reminder when the time to acknowledge a message has passed. */
export const mailboxDeadlines = (): DeadlineKinds => ({
  [ACK_DEADLINE]: { fire: remind, freezable: false },
});

async function remind(tx: LogTx, message: string): Promise<void> {
  const rows = await tx.query<{ project: string; agent: string }>(OVERDUE, [message, tx.now]);
  const [first] = rows;
  if (first === undefined) return;
  const body = { message, agents: rows.map(({ agent }) => agent) };
  await tx.append({ type: "ack.overdue", project: first.project, actor: "server", body });
}
