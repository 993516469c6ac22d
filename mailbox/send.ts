import type { EventBody } from "../contract/events/index.ts";
import type { MessageId } from "../contract/ids.ts";
import type { Sent as SentView } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { z } from "zod";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { unknownAgents } from "./agents.ts";
import { fold, recipientsOf } from "./projection.ts";

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
  readonly name: string;
  readonly next_seq: number;
  readonly retired: number;
}

type Sent = z.input<typeof SentView>;

const THREAD = `select t.open, exists (select 1 from p_thread_members k
    where k.project = t.project and k.thread = t.thread and k.agent = $3) as member
  from p_threads t where t.project = $1 and t.thread = $2`;
const SENT = "select thread from p_messages where id = $1";
const PLACES = "select agent, seq from p_deliveries where message = $1 order by agent";
const AGENT = `select name, next_seq, retired_at is not null as retired from p_agents
  where project = $1 and folded = $2`;

/**
 * Admits a message and appends it, in the caller's transaction.
 * @throws ProblemError AGENT_NOT_FOUND, AGENT_RETIRED, THREAD_TAKEN; all bad recipients at once
 */
export async function sendMessage(tx: LogTx, id: string, draft: Draft): Promise<Sent> {
  const { project, actor } = draft;
  const known = await knownAgents(tx.query, draft);
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
  const recipients = [...recipientsOf(body).keys()]
    .toSorted()
    .map((agent) => ({ agent, seq: known.get(fold(agent))?.next_seq ?? 0 }));
  return { id, thread, recipients };
}

/** The answer to a repeated call: the same as to the first. */
export async function sentReply(query: Query, id: string): Promise<Sent> {
  const [row] = await query<{ thread: string }>(SENT, [id]);
  const recipients = await query<{ agent: string; seq: number }>(PLACES, [id]);
  return { id, thread: row?.thread ?? id, recipients };
}

/** The sender and the recipients by folded name, as they are before the message. */
async function knownAgents(
  query: Query,
  { project, from, to, cc, bcc }: Draft,
): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  const missing: string[] = [];
  for (const name of new Set([from, ...to, ...cc, ...bcc])) {
    const folded = fold(name);
    if (known.has(folded)) continue;
    const [agent] = await query<Known>(AGENT, [project, folded]);
    if (agent === undefined) missing.push(name);
    else known.set(folded, agent);
  }
  if (missing.length > 0) throw await unknownAgents(query, project, missing);
  const retired = [...known.values()].filter((agent) => agent.retired === 1);
  if (retired.length > 0) throw retiredAgents(retired.map(({ name }) => name));
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
