import { setTimeout as sleep } from "node:timers/promises";
import { ProblemError } from "../contract/problem-error.ts";
import type { Answer, Api } from "./api.ts";
import { passes } from "./patience.ts";

export type Message = Answer<"GET /v1/projects/:project/messages/:message">;

/** The place up to which an inbox has been handled, kept over restarts. */
export interface Cursor {
  load(): Promise<number | undefined>;
  save(seq: number): Promise<void>;
}

export interface Watch {
  readonly api: Api;
  readonly project: string;
  readonly cursor: Cursor;
  /** Skip what is there already when the watch has never run. */
  readonly fromNow: boolean;
  /** False asks for the same message again, after a pause. */
  readonly handle: (message: Message & { readonly seq: number }) => Promise<boolean>;
  readonly note: (line: string) => void;
  /** Whether the watch is to end when a message has been handled. */
  readonly over?: () => boolean;
}

const POLL_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Hands every message of an inbox to `handle`, at least once and in order, until it is over. The first watch starts at the
 * oldest unread message. What expires before it is handled is passed over.
 * @throws ProblemError when the server refuses, such as for an agent that is gone
 */
export async function watchInbox(watch: Watch): Promise<void> {
  const { cursor, handle, note, over = () => false } = watch;
  const pause = backOff();
  let after = await persistently(watch, async () => (await cursor.load()) ?? firstPlace(watch));
  let tried = after;
  for (;;) {
    const seq = await persistently(watch, () => nextSeq(watch, after));
    if (seq === "another inbox") {
      note(
        `the inbox does not reach to ${after} any more: it is a new one, watched from its start`,
      );
      after = await persistently(watch, () => firstPlace(watch));
      continue;
    }
    if (seq === undefined) continue;
    if (seq !== tried) pause.reset();
    tried = seq;
    const message = await persistently(watch, () => fetchMessage(watch, seq));
    const done = message === undefined || (await handle({ ...message, seq }));
    if (done) await cursor.save(seq);
    if (over()) return;
    if (done) after = seq;
    else {
      const ms = pause.next();
      note(`message ${seq} is tried again in ${ms / 1_000} s`);
      await sleep(ms);
    }
  }
}

/** Pauses that double up to a minute. */
function backOff(): { next(): number; reset(): void } {
  let ms = FIRST_PAUSE_MS;
  return {
    next: () => {
      const now = ms;
      ms = Math.min(2 * ms, LONGEST_PAUSE_MS);
      return now;
    },
    reset: () => void (ms = FIRST_PAUSE_MS),
  };
}

/** Repeats a call for as long as the server cannot answer it. */
async function persistently<T>({ note }: Watch, call: () => Promise<T>): Promise<T> {
  for (const pause = backOff(); ;) {
    try {
      return await call();
    } catch (error) {
      if (!passes(error)) throw error;
      const ms = pause.next();
      note(`${error.message}; trying again in ${ms / 1_000} s`);
      await sleep(ms);
    }
  }
}

const INBOX = "GET /v1/projects/:project/inbox";

/** Before the oldest unread message, or after the newest when there is none. */
async function firstPlace({ api, project, cursor, fromNow }: Watch): Promise<number> {
  const params = { project };
  // In this order: what comes in between is unread then.
  const newest = await api(INBOX, { params, query: { limit: 1 } });
  const unread = await api(INBOX, { params, query: { after: 0, limit: 1, unread: "true" } });
  const oldest = fromNow ? undefined : unread.messages[0];
  const place = oldest === undefined ? newest.next : oldest.seq - 1;
  await cursor.save(place);
  return place;
}

/** The place of the next message; undefined when the server has waited in vain. */
async function nextSeq(
  { api, project }: Watch,
  after: number,
): Promise<number | "another inbox" | undefined> {
  try {
    const page = await api(
      INBOX,
      { params: { project }, query: { after, limit: 1, wait: POLL_MS } },
      { timeoutMs: POLL_MS + 30_000 },
    );
    return page.messages[0]?.seq;
  } catch (error) {
    // A server that was set up anew under the address of another begins its inboxes anew, too.
    if (error instanceof ProblemError && error.details.some((one) => Number(one["head"]) < after))
      return "another inbox";
    throw error;
  }
}

/** A message that is gone meanwhile, as it may be from a server that was restored, is passed over. */
async function fetchMessage({ api, project }: Watch, seq: number): Promise<Message | undefined> {
  return api("GET /v1/projects/:project/messages/:message", {
    params: { project, message: String(seq) },
  }).catch((error: unknown) => {
    if (error instanceof ProblemError && error.status === 404) return undefined;
    throw error;
  });
}
