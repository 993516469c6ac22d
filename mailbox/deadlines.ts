import { newId } from "../contract/ids.ts";
import { toSubject } from "../contract/mail/text.ts";
import type { DeadlineKinds } from "../storage/deadlines.ts";
import type { LogTx } from "../storage/log.ts";
import { ACK_DEADLINE } from "./send.ts";
import { postAsServer } from "./server-post.ts";

const OVERDUE = `select m.project, m.sender, m.subject, d.agent from p_messages m
    join p_deliveries d on d.message = m.id
  where m.id = $1 and d.ack_within is not null
    and (m.expires_after is null or m.at + m.expires_after > $2) order by d.agent`;
const PENDING = "select ack_within from p_messages where id = $1 and pending = 1";
/** So many names say enough; the receipts hold all. */
const NAMED = 20;

interface OverdueRow {
  readonly project: string;
  readonly sender: string;
  readonly subject: string;
  readonly agent: string;
}

/** The deadlines of the mailbox: one reminder when the time to acknowledge a message has passed. */
export const mailboxDeadlines = (): DeadlineKinds => ({
  [ACK_DEADLINE]: { fire: remind, freezable: false },
});

/** Of a message that is still on its way to everybody nobody is late: its recipients have their time from then on. */
async function remind(tx: LogTx, message: string): Promise<void> {
  const [pending] = await tx.query<{ ack_within: number }>(PENDING, [message]);
  if (pending !== undefined)
    return tx.setDeadline(ACK_DEADLINE, message, tx.now + pending.ack_within);
  const rows = await tx.query<OverdueRow>(OVERDUE, [message, tx.now]);
  const [first] = rows;
  if (first === undefined) return;
  const agents = rows.map(({ agent }) => agent);
  const body = { message, agents };
  await tx.append({ type: "ack.overdue", project: first.project, actor: "server", body });
  await tellSender(tx, first, body);
}

/** A thread of its own: nobody else may learn of a recipient by bcc, whoever sees the message's thread. */
async function tellSender(
  tx: LogTx,
  { project, sender, subject }: OverdueRow,
  { message, agents }: { readonly message: string; readonly agents: readonly string[] },
): Promise<void> {
  const more = agents.length > NAMED ? ` and ${agents.length - NAMED} more` : "";
  await postAsServer(tx, {
    project,
    thread: newId(),
    open: false,
    subject: toSubject(`Not acknowledged in time: ${subject}`),
    body: `Without an acknowledgement by ${agents.slice(0, NAMED).join(", ")}${more}.\n\nHow it fared: gridpost receipts ${message}`,
    to: [sender],
  });
}
