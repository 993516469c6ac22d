import type { EventBody } from "../contract/events/index.ts";
import { newId } from "../contract/ids.ts";
import { formatResource, type Resource } from "../contract/resource.ts";
import { postAsServer, type ServerPost } from "../mailbox/server-post.ts";
import { holderName } from "../reservations/rules.ts";
import { leaseById } from "../reservations/store.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { LoggedEvent } from "../storage/log.ts";
import { type Reader, runReader } from "../storage/readers.ts";

const BATCH = 50;
/** Mail is not read faster than this, and a busy log is then read in fewer batches. */
const GATHER_MS = 25;

export interface LeasePostsDeps {
  readonly log: EventLog;
  readonly onError: (error: unknown) => void;
}

/** Tells agents whose lease was taken away by force, once for each. */
export const startLeasePosts = ({ log, onError }: LeasePostsDeps): Promise<Reader> =>
  runReader(
    {
      log,
      name: "lease-posts",
      batch: BATCH,
      gatherMs: GATHER_MS,
      transactional: false,
      handle: async (events) => {
        for (const event of events) {
          const post = await postOf(log.query, event);
          if (post !== undefined) await postOnce(log, event, post);
        }
      },
    },
    onError,
  );

async function postOf(
  query: Query,
  { type, project, actor, body }: LoggedEvent,
): Promise<ServerPost | undefined> {
  if (type !== "lease.force_released" || project === null) return undefined;
  const { id, holder, reason } = body as EventBody<"lease.force_released">;
  const lease = await leaseById(query, id);
  const name = holderName(holder, project);
  // Only agents have inboxes.
  if (lease === undefined || name === holder) return undefined;
  const resources = (JSON.parse(lease.resources) as Resource[]).map(formatResource);
  const shown = resources.length > 5 ? [...resources.slice(0, 5), "…"] : resources;
  return {
    project,
    thread: `lease-${id}`,
    open: false,
    subject: `Your lease was taken away: ${shown.join(", ")}`.slice(0, 200),
    body: `${actor} released your lease ${id} by force: ${reason}\n\nIts fence ${lease.fence} is dead: work under it is not accepted any longer.`,
    to: [name],
    importance: "high",
  };
}

async function postOnce(log: EventLog, event: LoggedEvent, post: ServerPost): Promise<void> {
  await log.once(
    {
      principal: "server",
      endpoint: `post ${event.type}`,
      key: event.id,
      hash: "",
      ref: newId(),
      keys: [`thread:${post.project}:${post.thread}`],
    },
    (tx) => postAsServer(tx, post),
    (_query, ref) => Promise.resolve(ref),
  );
}
