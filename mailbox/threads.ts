import type { Handlers } from "../contract/handlers.ts";
import { toTime } from "../contract/ids.ts";
import type { mailbox } from "../contract/mailbox.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import { digest } from "./digest.ts";
import { followThread, followingOf } from "./following.ts";
import { exportHead, exportMessage } from "./thread-export.ts";
import type { SearchDeps } from "./search.ts";
import { threadPage } from "./thread-page.ts";
import {
  placeOf,
  seeThread,
  threadMessages,
  type ThreadMessage,
  type ThreadView,
} from "./thread-rows.ts";
import { participants, threadSummary } from "./thread-summary.ts";
import { callingAgent, viewerOf } from "./visibility.ts";

const DIGEST_MESSAGES = 500;
/** Work on the main thread stays within milliseconds: so much text is read for a digest or an export. */
const MAX_CHARS = 1_048_576;
const MAX_PAGE_CHARS = 8 * 1_048_576;

type ThreadHandlers = Pick<
  Handlers<typeof mailbox>,
  "threads" | "thread" | "threadDigest" | "exportThread" | "followThread"
>;

/** The handlers about threads. */
export function threadHandlers({ log, search }: SearchDeps): ThreadHandlers {
  const { dialect } = log.db;
  const { query } = log;
  return {
    threads: async ({ params: { project }, query: { after, limit }, principal }) => {
      const viewer = await viewerOf(query, principal, project);
      return threadPage({ log, search }, { viewer, after, limit });
    },
    thread: async ({ params: { project, thread }, query: { after, limit }, principal }) => {
      const view = { viewer: await viewerOf(query, principal, project), thread };
      const seen = await seeThread(query, dialect, view);
      const place = await placeOf(query, dialect, { ...view, after });
      const rows = await threadMessages(query, dialect, {
        ...view,
        after: place,
        limit: limit + 1,
      });
      const page = within(MAX_PAGE_CHARS, rows.slice(0, limit));
      return {
        thread,
        open: seen.open,
        ...(after === undefined
          ? { summary: await threadSummary(query, dialect, { ...view, seen }) }
          : {}),
        messages: page.map(messageOf),
        next: rows.length > page.length ? (page.at(-1)?.id ?? null) : null,
      };
    },
    threadDigest: async ({ params: { project, thread }, principal }) =>
      digestOf(log, { viewer: await viewerOf(query, principal, project), thread }),
    exportThread: async ({ params: { project, thread }, query: slice, principal }) =>
      exportOf(log, { viewer: await viewerOf(query, principal, project), thread }, slice),
    followThread: (call) => follow(log, call),
  };
}

async function digestOf({ query, db: { dialect } }: EventLog, view: ThreadView) {
  const seen = await seeThread(query, dialect, view);
  const { subject, messages, lastAt } = await threadSummary(query, dialect, { ...view, seen });
  const newest = { after: Number.MAX_SAFE_INTEGER, newest: true, brief: true };
  const rows = await threadMessages(query, dialect, { ...view, ...newest, limit: DIGEST_MESSAGES });
  const read = within(MAX_CHARS, rows);
  const sources = read.map(({ id, sender, body }) => ({ id, from: sender, body }));
  const truncated = read.length < messages;
  const found = { participants: participants(read), ...digest(sources) };
  return { thread: view.thread, subject, messages, truncated, ...found, lastAt };
}

async function exportOf(
  { query, db: { dialect } }: EventLog,
  view: ThreadView,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
) {
  const { open } = await seeThread(query, dialect, view);
  const { shown, last } = partsBefore(after);
  const place = await placeOf(query, dialect, { ...view, after: last });
  const rows = await threadMessages(query, dialect, { ...view, after: place, limit: limit + 1 });
  const page = within(MAX_CHARS, rows.slice(0, limit));
  const head = after === undefined ? exportHead(view.thread, view.viewer.project, open) : "";
  return {
    markdown: head + page.map((message, i) => exportMessage(message, shown + i + 1)).join("\n"),
    next: rows.length > page.length ? `${shown + page.length}:${page.at(-1)?.id}` : null,
  };
}

/** The cursor of an export says how many messages the parts before it hold, to number on from there, and the last of them. */
function partsBefore(after: string | undefined): { shown: number; last: string | undefined } {
  const [, shown, last] = /^(\d{1,9}):(.*)$/.exec(after ?? "") ?? [];
  return { shown: Number(shown ?? 0), last: last ?? after };
}

function follow(
  log: EventLog,
  call: Parameters<ThreadHandlers["followThread"]>[0],
): ReturnType<ThreadHandlers["followThread"]> {
  const { project, thread } = call.params;
  const { actor } = call.principal;
  const agent = callingAgent(call.principal, project);
  const follower = { project, thread, agent };
  return log.once(
    callOf(call, [`mail:${project}`], thread),
    async (tx) => {
      await seeThread(tx.query, log.db.dialect, { viewer: { project, agents: [agent] }, thread });
      await followThread(tx, { ...follower, state: call.body.state, actor });
      return { thread, following: await followingOf(tx.query, follower) };
    },
    async (read) => ({ thread, following: await followingOf(read, follower) }),
  );
}

const messageOf = ({ id, sender, subject, body, at }: ThreadMessage) => ({
  id,
  from: sender,
  subject,
  body,
  sentAt: toTime(at),
});

/** The first messages, at least one, whose bodies have not more than so many characters together. */
function within(chars: number, messages: readonly ThreadMessage[]): ThreadMessage[] {
  let left = chars;
  return messages.filter(({ body }, i) => {
    const fits = left > 0 && (i === 0 || body.length <= left);
    left = fits ? left - body.length : 0;
    return fits;
  });
}
