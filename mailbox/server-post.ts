import type { EventBody } from "../contract/events/index.ts";
import { MessageId, newId } from "../contract/ids.ts";
import type { LogTx } from "../storage/log.ts";
import { SERVER_AGENT } from "./rules.ts";

/** Something that the server says in a thread. */
export interface ServerPost {
  readonly project: string;
  readonly thread: string;
  /** Whether the thread is open if this starts it. */
  readonly open: boolean;
  readonly subject: string;
  readonly body: string;
}

/** Posts as the reserved agent `gridpost`: an entry of the thread without delivery. Answers the message's id. */
export async function postAsServer(tx: LogTx, post: ServerPost): Promise<string> {
  const { project, thread, open, subject, body } = post;
  const [existing] = await tx.query("select 1 from p_threads where project = $1 and thread = $2", [
    project,
    thread,
  ]);
  const id = MessageId.parse(newId());
  const sent: EventBody<"message.sent"> = {
    id,
    thread,
    open: existing === undefined ? open : null,
    replyTo: null,
    from: SERVER_AGENT,
    to: [],
    cc: [],
    bcc: [],
    subject,
    body,
    importance: "normal",
    ackRequired: false,
  };
  await tx.append({ type: "message.sent", project, actor: "server", body: sent });
  return id;
}
