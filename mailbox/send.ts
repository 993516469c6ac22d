import type { EventBody } from "../contract/events/index.ts";
import type { MessageId } from "../contract/ids.ts";
import type { Sent } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { z } from "zod";
import type { Dialect, Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { unknownAgents } from "./agents.ts";
import { fold } from "./projection.ts";

/** A message before it is admitted; names in any case. */
export interface Draft {
  readonly project: string;
  readonly actor: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly body: string;
  /** undefined: a new thread, named by the message. */
  readonly thread: string | undefined;
  /** Whether a new thread is open. */
  readonly open: boolean;
  readonly replyTo: string | null;
  readonly importance: EventBody<"message.sent">["importance"];
  readonly ackRequired: boolean;
}

interface Known {
  readonly folded: string;
  readonly name: string;
  readonly retired: number;
}

const THREAD = `select t.open, exists (select 1 from p_thread_members k
    where k.project = t.project and k.thread = t.thread and k.agent = $3) as member
  from p_threads t where t.project = $1 and t.thread = $2`;
const SENT = "select m.thread, m.id from p_messages m where m.id = $1";
const PLACES = "select agent, seq from p_deliveries where message = $1 order by agent";

/**
 * Admits a message and appends it, in the caller's transaction.
 * @throws ProblemError AGENT_NOT_FOUND, AGENT_RETIRED, THREAD_TAKEN; all bad recipients at once
 */
export async function sendMessage(
  tx: LogTx,
  dialect: Dialect,
  { id, draft }: { readonly id: string; readonly draft: Draft },
): Promise<void> {
  const { project, actor } = draft;
  const known = await knownAgents(tx.query, dialect, draft);
  const nameOf = (name: string): string => known.get(fold(name))?.name ?? name;
  const thread = draft.thread ?? id;
  const body: EventBody<"message.sent"> = {
    id: id as MessageId,
    thread,
    open: draft.thread === undefined ? draft.open : await threadOpening(tx.query, draft, thread),
    replyTo: draft.replyTo as MessageId | null,
    from: nameOf(draft.from),
    to: unique(draft.to.map(nameOf)),
    cc: unique(draft.cc.map(nameOf)),
    bcc: unique(draft.bcc.map(nameOf)),
    subject: draft.subject,
    body: draft.body,
    importance: draft.importance,
    ackRequired: draft.ackRequired,
  };
  await tx.append({ type: "message.sent", project, actor, body });
}

/** The answer to `send` and `reply`, also when the call is repeated. */
export async function sentReply(query: Query, id: string): Promise<z.input<typeof Sent>> {
  const [row] = await query<{ thread: string }>(SENT, [id]);
  const recipients = await query<{ agent: string; seq: number }>(PLACES, [id]);
  return { id, thread: row?.thread ?? id, recipients };
}

async function knownAgents(
  query: Query,
  dialect: Dialect,
  { project, from, to, cc, bcc }: Draft,
): Promise<Map<string, Known>> {
  const named = new Map([...to, ...cc, ...bcc].map((name) => [fold(name), name]));
  const rows = await query<Known>(
    `select folded, name, retired_at is not null as retired from p_agents
     where project = $1 and folded in ${dialect.list("$2")}`,
    [project, JSON.stringify([...named.keys(), fold(from)])],
  );
  const known = new Map(rows.map((row) => [row.folded, row]));
  const missing = [...named].filter(([folded]) => !known.has(folded)).map(([, name]) => name);
  if (missing.length > 0) throw await unknownAgents(query, project, missing);
  const retired = [...named.keys(), fold(from)]
    .map((folded) => known.get(folded))
    .filter((agent) => agent?.retired === 1);
  if (retired.length > 0) throw retiredAgents(retired.map((agent) => agent?.name ?? ""));
  return known;
}

/** Whether the message opens a thread (true: for every reader of the project); null: it joins one that exists. */
async function threadOpening(
  query: Query,
  { project, from, open }: Draft,
  thread: string,
): Promise<boolean | null> {
  const [existing] = await query<{ open: number; member: number }>(THREAD, [project, thread, from]);
  if (existing === undefined) return open;
  if (existing.open === 0 && existing.member === 0) {
    throw new ProblemError("THREAD_TAKEN", `the thread id ${thread} is in use by others`, {
      details: [{ thread }],
      next: "choose another thread id, or leave it out to start a new thread",
    });
  }
  if (open && existing.open === 0) {
    throw new ProblemError("CONFLICT", `the thread ${thread} exists and is private`, {
      details: [{ thread }],
      next: "leave out open, or start a new open thread under another id",
    });
  }
  return null;
}

const unique = (names: readonly string[]): string[] => [...new Set(names)];

const retiredAgents = (names: readonly string[]): ProblemError =>
  new ProblemError(
    "AGENT_RETIRED",
    `${names.join(", ")} ${names.length === 1 ? "is" : "are"} retired`,
    {
      details: names.map((agent) => ({ agent })),
      next: "leave retired agents out, or have the owner bring one back: gridpost agent unretire NAME",
    },
  );
