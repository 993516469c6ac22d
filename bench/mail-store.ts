import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Handlers, Principal } from "../contract/handlers.ts";
import { type MessageId, newId } from "../contract/ids.ts";
import type { EventBody } from "../contract/events/index.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { agentHandlers } from "../mailbox/agent-handlers.ts";
import { registerAgent } from "../mailbox/agents.ts";
import { inboxHandlers } from "../mailbox/inbox.ts";
import { mailboxProjection } from "../mailbox/projection.ts";
import { searchHandlers } from "../mailbox/search.ts";
import { type EventLog, openLog } from "../storage/event-log.ts";
import { migrate } from "../storage/migrate.ts";
import { openFtsIndex } from "../storage/search-fts.ts";
import type { SearchIndex } from "../storage/search.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { inFolder } from "./cells-store.ts";

const BATCH = 200;
/** Mail comes over days, in which the index finds time to merge its parts; here all of it comes at once. */
const REST_MS = 5_000;
/** So many words as a fleet's mail has, the n-th n times rarer than the first. */
const VOCABULARY = 4_000;

/** The reading half of a mailbox over a file of its own. */
export interface MailStore extends Pick<Handlers<typeof mailbox>, "inbox" | "search" | "agents"> {
  readonly log: EventLog;
  readonly index: SearchIndex;
}

export const READER = "reader";
const GUEST = "guest";
/** One message in so many goes to the guest, too. */
const FOR_GUEST = 50;

const agent = (name: string): Principal => ({
  id: `agent:default/${name}`,
  kind: "agent",
  name,
  project: "default",
  act: null,
  actor: `agent:default/${name}`,
  scopes: new Set(["mail:read"]),
});

/** Who reads in the bench: everything is for this one. */
export const reader = agent(READER);

/** One of many agents of a project: who sees little of all. */
export const guest = agent(GUEST);

/** Opens a store whose reader has got so many messages, of which the index knows all. */
export function withMail(
  messages: number,
  use: (store: MailStore) => Promise<void>,
): Promise<void> {
  return inFolder(tmpdir(), async (folder) => {
    const source = join(folder, "mail.db");
    const db = openSqlite({ file: source });
    await migrate(db);
    const log = openLog({ db, projections: [mailboxProjection] });
    const index = openFtsIndex({ file: join(folder, "search.db"), source });
    await fill(log, messages);
    await index.catchUp();
    await sleep(REST_MS);
    const wait = (): Promise<void> => Promise.resolve();
    const { inbox } = inboxHandlers({ log, wait });
    const { search } = searchHandlers({ log, search: index });
    await use({ log, index, inbox, search, agents: agentHandlers(log).agents });
    await index.close();
    await db.close();
  });
}

async function fill(log: EventLog, messages: number): Promise<void> {
  const own = { project: "default", owner: "user:bench", actor: "user:bench" };
  await log.tx([], async (tx) => {
    for (const name of ["writer", READER, GUEST]) await registerAgent(tx, { ...own, name });
  });
  for (let n = 0; n < messages; n += BATCH) {
    await log.tx([], async (tx) => {
      for (let i = n; i < Math.min(n + BATCH, messages); i += 1)
        await tx.append({ type: "message.sent", ...own, body: letter(i) });
    });
  }
}

/** A word by its rank: `w1` is in every message, `w1000` in few. */
export const word = (rank: number): string => `w${rank}`;

/** A number in [0, 1), the same for the same arguments. */
const fraction = (a: number, b: number): number => {
  const x = Math.sin(a * 12.9898 + b * 78.233) * 43_758.5453;
  return x - Math.floor(x);
};

/** A message of about 80 words; one in a hundred says `regression`. */
function letter(n: number): EventBody<"message.sent"> {
  const id = newId() as MessageId;
  const text = Array.from({ length: 80 }, (_, i) => word(Math.floor(VOCABULARY ** fraction(n, i))));
  return {
    id,
    thread: id,
    open: false,
    replyTo: null,
    from: "writer",
    to: [READER],
    cc: n % FOR_GUEST === 0 ? [GUEST] : [],
    bcc: [],
    subject: `result ${n}`,
    body: [...text, ...(n % 100 === 0 ? ["regression"] : [])].join(" "),
    importance: "normal",
    ackRequired: false,
  };
}
