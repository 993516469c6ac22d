import type { EventBody } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { type Event, type LoggedEvent, parseEvent } from "../storage/log.ts";
import type { Only, ReaderOptions } from "../storage/readers.ts";
import { unreadIn } from "./backlog.ts";
import { type Correspondent, mayWrite } from "./contact-rules.ts";
import { isBroadcast } from "./recipients.ts";

/** Deliveries per transaction: a few milliseconds of the writer. */
const BATCH = 200;
const BROADCASTS: Only = {
  // Nearly: the event says it for sure. The first letter is looked for first, and bodies hold few @.
  where: `type = 'message.sent' and body like '%@all"%'`,
  fits: (event) => isSent(event) && isBroadcast(event.body),
};
const PENDING = "select 1 from p_messages where id = $1 and pending = 1";
const AGENTS = `select folded, name, policy, next_seq, retired_at is not null as retired,
    exists (select 1 from p_deliveries d where d.message = $4 and d.agent = a.name)
      or exists (select 1 from p_skipped s where s.message = $4 and s.agent = a.name) as done
  from p_agents a where a.project = $1 and a.folded > $2 order by a.folded limit $3`;

/**
 * The reader of the log that delivers messages to `@all`. It may stop anywhere and repeat: nobody gets one twice.
 * @param maxUnread inboxes with so many unread messages are left out
 */
export const fanOutReader = (log: EventLog, maxUnread: number): ReaderOptions => ({
  log,
  name: "mailbox.fan-out",
  batch: 500,
  only: BROADCASTS,
  transactional: false,
  handle: async (events) => {
    for (const event of events.map(parseEvent))
      if (isSent(event) && isBroadcast(event.body)) await broadcast(log, { ...event, maxUnread });
  },
});

type Sent = { readonly body: EventBody<"message.sent"> };

const isSent = <E extends Event>(event: E): event is E & Sent => event.type === "message.sent";

type Broadcast = LoggedEvent & Sent & { readonly maxUnread: number };

async function broadcast(log: EventLog, event: Broadcast): Promise<void> {
  let after: string | null = "";
  while (after !== null) after = await deliverSome(log, event, after);
}

/** Delivers to the next agents by name; answers where to go on, or null at the end. */
function deliverSome(log: EventLog, event: Broadcast, after: string): Promise<string | null> {
  const { project, body } = event;
  const { id: message } = body;
  return log.tx([`mail:${project}`], async (tx) => {
    if ((await tx.query(PENDING, [message])).length === 0) return null;
    const rows = await tx.query<AgentRow>(AGENTS, [project, after, BATCH, message]);
    const { agents, skipped } = await sort(tx.query, event, rows);
    const last = rows.at(-1);
    const done = rows.length < BATCH || last === undefined;
    const delivered: EventBody<"message.delivered"> = { message, agents, skipped, done };
    if (done || agents.length + skipped.length > 0)
      await tx.append({ type: "message.delivered", project, actor: "server", body: delivered });
    return done ? null : last.folded;
  });
}

interface AgentRow extends Correspondent {
  readonly folded: string;
  readonly done: number;
  readonly next_seq: number;
}

async function sort(
  query: Query,
  { project, body, maxUnread }: Broadcast,
  rows: readonly AgentRow[],
): Promise<Pick<EventBody<"message.delivered">, "agents" | "skipped">> {
  const mail = { project: project ?? "", from: body.from, answers: null };
  const isFull = async ({ name: agent, next_seq: next }: AgentRow): Promise<boolean> =>
    next > maxUnread &&
    (await unreadIn(query, { project: mail.project, agent }, maxUnread)) >= maxUnread;
  const agents: string[] = [];
  const skipped: EventBody<"message.delivered">["skipped"] = [];
  for (const agent of rows) {
    if (agent.done === 1 || agent.name === body.from || agent.retired === 1) continue;
    if (!(await mayWrite(query, mail, agent)))
      skipped.push({ agent: agent.name, reason: "policy" });
    else if (await isFull(agent)) skipped.push({ agent: agent.name, reason: "full" });
    else agents.push(agent.name);
  }
  return { agents, skipped };
}
