import type { z } from "zod";
import type { Handlers } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { InboxEntry } from "../contract/mail/messages.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { fold } from "./names.ts";
import type { InboxAddress, Wait } from "./ports.ts";
import { callingAgent } from "./visibility.ts";

const ENTRY = `select d.seq, d.read_at, d.acked_at, m.id, m.sender, m.subject, m.thread, m.importance,
    m.ack_required, m.at`;
const BY_PLACE = `${ENTRY} from p_deliveries d join p_messages m on m.id = d.message
  where d.project = $1 and d.agent = $2`;
/** The cross join keeps the messages of the thread outside. */
const BY_THREAD = `${ENTRY} from p_messages m cross join p_deliveries d on d.message = m.id and d.agent = $2
  where m.project = $1`;
const LENGTH = "select messages from p_threads where project = $1 and thread = $2";
/** A restored server may lack mail whose places it gave out: its counter is beyond them, its last message is not. */
const HEAD = "select next_seq - 1 as head from p_agents where project = $1 and folded = $2";

interface EntryRow {
  readonly seq: number;
  readonly read_at: number | null;
  readonly acked_at: number | null;
  readonly id: string;
  readonly sender: string;
  readonly subject: string;
  readonly thread: string;
  readonly importance: z.input<typeof InboxEntry>["importance"];
  readonly ack_required: number;
  readonly at: number;
}

export interface Page {
  readonly after?: number | undefined;
  /** Only what came at that time or later. */
  readonly since?: string | undefined;
  readonly limit: number;
  readonly unread?: boolean | undefined;
  /** Only of high and urgent importance. */
  readonly urgent?: boolean | undefined;
  readonly thread?: string | undefined;
  /** Only those whose time to acknowledge has passed. */
  readonly ackOverdue?: boolean | undefined;
}

/** The two parts of an inbox, of deliveries `d`; written as the index of places has them. */
export const IS_UNREAD = "(d.read_at is null) = true";
const IS_READ = "(d.read_at is null) = false";

/** When the first message from a place on came. */
const CAME = `select at from (${[IS_UNREAD, IS_READ]
  .map(
    (part) => `select * from (select d.seq, d.at from p_deliveries d
      where d.project = $1 and d.agent = $2 and ${part} and d.seq >= $3 order by d.seq limit 1) one`,
  )
  .join(" union all ")}) two order by seq limit 1`;

/** That a delivery `d` has not expired: what has is in no inbox any more, and takes no room there. */
export const LIVE = "(d.expires_after is null or d.at + d.expires_after > now_ms())";

/** The conditions of a page; `$5` is the thread. */
function conditions({ urgent, thread, ackOverdue }: Page): string[] {
  return [
    LIVE,
    ...(urgent === true ? ["d.urgent = 1"] : []),
    ...(ackOverdue === true ? ["d.ack_within is not null", "d.at + d.ack_within <= now_ms()"] : []),
    ...(thread === undefined ? [] : ["m.thread = $5"]),
  ];
}

/**
 * What a page is taken from, each part by one index in the order of seq: few are urgent or wait for an acknowledgement, or
 * are in a short thread.
 */
function partsOf({ unread, urgent, ackOverdue }: Page, short: boolean): string[] {
  const few = urgent === true || ackOverdue === true || short;
  if (unread === true) return [few ? "d.read_at is null" : IS_UNREAD];
  return few ? ["true"] : [IS_UNREAD, IS_READ];
}

interface InboxPage {
  messages: z.input<typeof InboxEntry>[];
  next: number;
  more: boolean;
}

/** A page of an agent's inbox by ascending seq: what follows `after` or came since, or the newest `limit`. Consumes nothing. */
export async function inboxPage(query: Query, inbox: InboxAddress, page: Page): Promise<InboxPage> {
  const { limit, thread } = page;
  const after = await placeBefore(query, inbox, page);
  const filters = conditions(page);
  const filtered = filters.length > 1 || page.unread === true;
  // Read before the page: what arrives in between is then on the page or after `next`, and never skipped.
  const head = filtered || after !== undefined ? await headOf(query, inbox) : 0;
  if (after !== undefined && after > head) throw ahead(after, head);
  const short = await isShort(query, inbox, { ...page, head });
  const rows = await entries(query, inbox, {
    after,
    thread,
    from: short ? BY_THREAD : BY_PLACE,
    parts: partsOf(page, short).map((part) => [part, ...filters]),
    limit: limit + 1,
  });
  const more = rows.length > limit;
  const messages = rows.slice(0, limit).map(entryView);
  if (after === undefined) messages.reverse();
  const last = messages.at(-1)?.seq ?? 0;
  // What is left out without `after` is older, and nothing follows the page.
  const next = more && after !== undefined ? last : Math.max(last, head);
  return { messages, next, more };
}

interface Selection {
  readonly after: number | undefined;
  readonly thread: string | undefined;
  readonly from: string;
  /** The conditions of each part. */
  readonly parts: readonly (readonly string[])[];
  readonly limit: number;
}

/** The lines that follow `after`, or from the newest on backwards. */
function entries(
  query: Query,
  { project, agent }: InboxAddress,
  { after, thread, from, parts, limit }: Selection,
): Promise<EntryRow[]> {
  const order = `order by seq ${after === undefined ? "desc" : "asc"} limit $4`;
  const [first = "", ...others] = parts.map(
    (part) => `select * from (${from} and ${part.join(" and ")} and d.seq > $3 ${order}) one`,
  );
  return query<EntryRow>(
    others.length === 0 ? first : `${[first, ...others].join(" union all ")} ${order}`,
    [project, agent, after ?? 0, limit, ...(thread === undefined ? [] : [thread])],
  );
}

/** The place that a page follows; undefined for the newest. Places are given in the order of time, so that halving finds it. */
async function placeBefore(
  query: Query,
  inbox: InboxAddress,
  { after, since }: Page,
): Promise<number | undefined> {
  if (since === undefined) return after;
  const time = Date.parse(since);
  let place = after ?? 0;
  let last = await headOf(query, inbox);
  while (place < last) {
    const middle = Math.ceil((place + last) / 2);
    const [row] = await query<{ at: number }>(CAME, [inbox.project, inbox.agent, middle]);
    if (row !== undefined && row.at < time) place = middle;
    else last = middle - 1;
  }
  return place;
}

/** The highest seq that was given in the inbox; 0 before the first. */
async function headOf(query: Query, { project, agent }: InboxAddress): Promise<number> {
  const [row] = await query<{ head: number }>(HEAD, [project, fold(agent)]);
  return row?.head ?? 0;
}

/** Whether a thread, whoever sees its messages, has fewer of them than follow in the inbox: then it is the shorter walk. */
async function isShort(
  query: Query,
  { project }: InboxAddress,
  { thread, after = 0, head }: Page & { readonly head: number },
): Promise<boolean> {
  if (thread === undefined) return false;
  const [row] = await query<{ messages: number }>(LENGTH, [project, thread]);
  return (row?.messages ?? 0) < head - after;
}

const entryView = (row: EntryRow): z.input<typeof InboxEntry> => ({
  id: row.id,
  seq: row.seq,
  from: row.sender,
  subject: row.subject,
  thread: row.thread,
  importance: row.importance,
  ackRequired: row.ack_required === 1,
  sentAt: toTime(row.at),
  readAt: row.read_at === null ? null : toTime(row.read_at),
  ackedAt: row.acked_at === null ? null : toTime(row.acked_at),
});

const ahead = (after: number, head: number): ProblemError =>
  new ProblemError(
    "BAD_REQUEST",
    `after=${after} is ahead of this inbox, whose newest seq is ${head}`,
    {
      details: [{ after, head }],
      next: "use the next of a page of this same inbox; leave after out for the newest messages",
    },
  );

export interface InboxDeps {
  readonly log: EventLog;
  readonly wait: Wait;
}

/** The handler of the inbox, with its long poll. */
export function inboxHandlers({ log, wait }: InboxDeps): Pick<Handlers<typeof mailbox>, "inbox"> {
  return {
    inbox: async (call) => {
      const { params, query, principal } = call;
      const { project } = params;
      const inbox = { project, agent: callingAgent(principal, project) };
      if (query.wait === 0) return inboxPage(log.query, inbox, query);
      const { signal } = call;
      const until = performance.now() + query.wait;
      const look = (): Promise<InboxPage> => inboxPage(log.query, inbox, query);
      for (;;) {
        const left = Math.ceil(until - performance.now());
        if (left <= 0 || signal.aborted) return look();
        const stop = new AbortController();
        const grown = wait(inbox, { ms: left, signal: AbortSignal.any([signal, stop.signal]) });
        try {
          const page = await look();
          if (page.messages.length > 0) return page;
          await grown;
        } finally {
          stop.abort();
        }
      }
    },
  };
}
