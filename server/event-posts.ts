import { newId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import { postAsServer, type ServerPost } from "../mailbox/server-post.ts";
import type { EventLog } from "../storage/event-log.ts";
import { type LoggedEvent, type LogTx, parseEvent, type StoredEvent } from "../storage/log.ts";
import { type Only, type Reader, runReader } from "../storage/readers.ts";

const BATCH = 50;
/** A post is not read faster than this, and the results of many nodes are then read in fewer batches. */
const GATHER_MS = 25;
/** With the pauses of the reader between them: about ten seconds. */
const TRIES = 8;

/** What the server posts about an event. */
export interface EventPost extends ServerPost {
  /** What belongs to the post, in its transaction, after it; it hears whom the post was delivered to. */
  readonly also?: (tx: LogTx, told: readonly string[]) => Promise<void>;
}

export interface EventPostsDeps {
  readonly log: EventLog;
  /** Hears of each failed try. */
  readonly onError: (error: unknown) => void;
  /** Hears of each event about which nothing could be posted; what follows it is posted nonetheless. */
  readonly onGivenUp: (error: unknown, event: LoggedEvent) => void;
}

export interface EventPosts extends EventPostsDeps {
  /** The name of the reader. */
  readonly name: string;
  /** The types of the events that there may be something to say about. */
  readonly types: readonly string[];
  /** What there is to say about an event, if anything; made outside of a transaction, as it may take long. */
  readonly postOf: (event: LoggedEvent) => Promise<EventPost | undefined>;
  /** What to say instead about an event for which the post itself fails again and again. */
  readonly instead?: (event: LoggedEvent, error: unknown) => EventPost | undefined;
  /** How often an event is tried before it is given up; what is said instead is tried as often again. */
  readonly tries?: number;
}

/** Starts a reader of the log that posts about events as the agent `gridpost`, once about each. */
export function startEventPosts(options: EventPosts): Promise<Reader> {
  const { log, name, types, onError } = options;
  const failures = new Map<string, number>();
  const handle = async (events: readonly StoredEvent[]): Promise<void> => {
    for (const event of events.map(parseEvent)) await postPatiently(options, event, failures);
    failures.clear();
  };
  const only: Only = {
    where: `type in (${types.map((type) => `'${type}'`).join(", ")})`,
    fits: ({ type }) => types.includes(type),
  };
  const reader = { log, name, only, batch: BATCH, gatherMs: GATHER_MS, handle };
  return runReader({ ...reader, transactional: false }, onError);
}

/** Throws to be called again, until the event has been tried often enough: one event does not keep the others for ever. */
async function postPatiently(
  { log, postOf, instead, onGivenUp, tries = TRIES }: EventPosts,
  event: LoggedEvent,
  failures: Map<string, number>,
): Promise<void> {
  // Given up, in a batch that is repeated for another event.
  if (failures.get(event.id) === Infinity) return;
  try {
    const post = await postOf(event);
    if (post !== undefined) await postOnce(log, event, post);
  } catch (error) {
    if (isUnavailable(error)) throw error;
    const failed = (failures.get(event.id) ?? 0) + 1;
    failures.set(event.id, failed);
    if (failed < tries) throw error;
    const other = instead?.(event, error);
    if (other !== undefined)
      await postInstead(log, event, { post: other, last: failed >= 2 * tries });
    failures.set(event.id, Infinity);
    onGivenUp(error, event);
  }
}

/** Throws to be called again at the next try, but for the last one. */
async function postInstead(
  log: EventLog,
  event: LoggedEvent,
  { post, last }: { readonly post: EventPost; readonly last: boolean },
): Promise<void> {
  try {
    await postOnce(log, event, post);
  } catch (error) {
    if (!last || isUnavailable(error)) throw error;
  }
}

/** A store that cannot write now says nothing about the event. */
const isUnavailable = (error: unknown): boolean =>
  error instanceof ProblemError && error.code === "UNAVAILABLE";

/** The event's id is the key of the post, so that a reader that repeats a batch posts nothing twice. */
async function postOnce(
  log: EventLog,
  event: LoggedEvent,
  { also, ...post }: EventPost,
): Promise<void> {
  await log.once(
    {
      principal: "server",
      endpoint: `post ${event.type}`,
      key: event.id,
      hash: "",
      ref: newId(),
      keys: [`thread:${post.project}:${post.thread}`],
    },
    async (tx) => {
      const told = await postAsServer(tx, post);
      await also?.(tx, told);
    },
    () => Promise.resolve(),
  );
}
