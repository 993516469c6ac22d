import type { EventBody } from "../contract/events/index.ts";
import { followThread, followingOf } from "../mailbox/following.ts";
import { postAsServer } from "../mailbox/server-post.ts";
import type { MakeReport } from "../reports/ports.ts";
import { holderName } from "../reservations/rules.ts";
import type { Event, LoggedEvent, LogTx } from "../storage/log.ts";
import type { Reader } from "../storage/readers.ts";
import { type EventPost, type EventPostsDeps, startEventPosts } from "./event-posts.ts";
import { clearDigest, setDigest } from "./sweep-digest.ts";
import { endEntry, reportEntry, resultEntry, submissionEntry } from "./sweep-entries.ts";

export interface SweepPostsDeps extends EventPostsDeps {
  readonly report: MakeReport;
  readonly tries?: number;
}

/**
 * Posts what becomes of sweeps to their threads, as the agent `gridpost`: each result, the report. Followers are
 * told of the first failure, of the end, and of what happened between by digests.
 */
export const startSweepPosts = (deps: SweepPostsDeps): Promise<Reader> =>
  startEventPosts({
    ...deps,
    name: "sweep-posts",
    types: ["run.succeeded", "run.failed", "sweep.finished"],
    postOf: (event) => postOf(deps, event),
    instead: (event, error) =>
      event.type === "sweep.finished"
        ? endPost(event, endEntry(event.body as Finished, messageOf(error)))
        : undefined,
  });

type Submitted = EventBody<"sweep.submitted">;
type Failed = EventBody<"run.failed">;
type Finished = EventBody<"sweep.finished">;
type Entry = Pick<EventPost, "thread" | "subject" | "body">;

async function postOf(
  { log, report }: SweepPostsDeps,
  event: LoggedEvent,
): Promise<EventPost | undefined> {
  const { type, project, body } = event;
  if (type === "run.succeeded" || type === "run.failed") {
    const entry = await resultEntry(log.query, body as Failed);
    return entry === undefined ? undefined : resultPost(event, entry);
  }
  if (type === "sweep.finished")
    return endPost(event, await reportEntry(report, project ?? "", body as Finished));
  return undefined;
}

/**
 * Begins the thread of a sweep in the transaction that submits it, so that nobody else makes it private before. Where an
 * agent submitted the sweep, it follows the thread, unless it has said before what it wants of it.
 */
export async function beginSweepThread(tx: LogTx, submitted: Event): Promise<void> {
  const post = postIn(submitted, submissionEntry(submitted.body as Submitted));
  await postAsServer(tx, post);
  const { actor } = submitted;
  // `user:anna>agent:default/blue` where a user's agent did.
  const caller = actor.slice(actor.indexOf(">") + 1);
  const agent = holderName(caller, post.project);
  if (agent === caller) return;
  const follower = { project: post.project, thread: post.thread, agent };
  if ((await followingOf(tx.query, follower)) === null)
    await followThread(tx, { ...follower, state: "follow", actor });
}

const postIn = ({ project }: Event, entry: Entry): EventPost => ({
  project: project ?? "",
  open: true,
  ...entry,
});

/** The first failure is told at once; what else ends waits for the next digest. */
function resultPost(event: LoggedEvent, entry: Entry): EventPost {
  const { sweep, state } = event.body as Partial<Failed> & Pick<Failed, "sweep">;
  const failed = state === "failed" || state === "invalid";
  return {
    ...postIn(event, entry),
    ...(failed ? { notice: { name: `failure:${sweep}` } } : {}),
    also: async (tx, told) => {
      if (told.length === 0) await setDigest(tx, sweep);
    },
  };
}

function endPost(event: LoggedEvent, entry: Entry): EventPost {
  const { id } = event.body as Finished;
  return {
    ...postIn(event, entry),
    notice: { name: `end:${id}` },
    also: (tx) => clearDigest(tx, id),
  };
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
