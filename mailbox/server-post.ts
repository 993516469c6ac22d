import type { EventBody } from "../contract/events/index.ts";
import { type MessageId, newId } from "../contract/ids.ts";
import type { LogTx } from "../storage/log.ts";
import { type Notice, noticeTo } from "./following.ts";
import { fold } from "./names.ts";
import { SERVER_AGENT } from "./rules.ts";

const LIVE = "select name from p_agents where project = $1 and folded = $2 and retired_at is null";
const EXISTS = "select 1 from p_messages where project = $1 and thread = $2 limit 1";

/** Something that the server says in a thread. */
export interface ServerPost {
  readonly project: string;
  readonly thread: string;
  /** Whether the thread is open if this starts it. */
  readonly open: boolean;
  readonly subject: string;
  readonly body: string;
  /** Delivers it to the followers of the thread, unless they have been told this before. */
  readonly notice?: Notice;
  /** Agents that get it whatever they follow, such as the holder of a lease that was taken away; others are left out. */
  readonly to?: readonly string[];
  readonly importance?: EventBody<"message.sent">["importance"];
}

/** Those that are agents of the project and not retired. */
async function live(
  { query }: LogTx,
  project: string,
  names: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const name of names)
    for (const agent of await query<{ name: string }>(LIVE, [project, fold(name)]))
      found.push(agent.name);
  return found;
}

/**
 * Posts as the reserved agent `gridpost`: an entry of the thread, delivered to `to` and by a notice to followers only.
 * Answers whom it was delivered to.
 */
export async function postAsServer(tx: LogTx, post: ServerPost): Promise<readonly string[]> {
  const { project, thread, open, subject, body, notice, to = [], importance = "normal" } = post;
  const existing = await tx.query(EXISTS, [project, thread]);
  const followers = notice === undefined ? [] : await noticeTo(tx, { project, thread, notice });
  const sent: EventBody<"message.sent"> = {
    id: newId() as MessageId,
    thread,
    open: existing.length === 0 ? open : null,
    replyTo: null,
    from: SERVER_AGENT,
    to: await live(tx, project, [...new Set([...to, ...followers])]),
    cc: [],
    bcc: [],
    subject,
    body,
    importance,
    ackRequired: false,
    // A notice that reaches nobody was not given.
    ...(notice !== undefined && followers.length > 0 ? { notice: notice.name } : {}),
  };
  await tx.append({ type: "message.sent", project, actor: "server", body: sent });
  return sent.to;
}
