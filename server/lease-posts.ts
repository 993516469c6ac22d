import type { EventBody } from "../contract/events/index.ts";
import { newId } from "../contract/ids.ts";
import { toSubject } from "../contract/mail/text.ts";
import { formatResource } from "../contract/resource.ts";
import { holderName } from "../reservations/rules.ts";
import { leaseById, resourcesOf } from "../reservations/store.ts";
import type { Query } from "../storage/db.ts";
import type { LoggedEvent } from "../storage/log.ts";
import type { Reader } from "../storage/readers.ts";
import { type EventPost, type EventPostsDeps, startEventPosts } from "./event-posts.ts";

/** Tells agents whose lease was taken away by force, once for each. */
export const startLeasePosts = (deps: EventPostsDeps): Promise<Reader> =>
  startEventPosts({
    ...deps,
    name: "lease-posts",
    types: ["lease.force_released"],
    postOf: (event) => postOf(deps.log.query, event),
  });

async function postOf(
  query: Query,
  { type, project, actor, body }: LoggedEvent,
): Promise<EventPost | undefined> {
  if (type !== "lease.force_released" || project === null) return undefined;
  const { id, holder, reason } = body as EventBody<"lease.force_released">;
  const lease = await leaseById(query, id);
  const name = holderName(holder, project);
  // Only agents have inboxes.
  if (lease === undefined || name === holder) return undefined;
  const resources = resourcesOf(lease).map(formatResource);
  const shown = resources.length > 5 ? [...resources.slice(0, 5), "…"] : resources;
  return {
    project,
    // Nobody can have started a thread of that name before, and so read along.
    thread: `lease-${newId()}`,
    open: false,
    subject: toSubject(`Your lease was taken away: ${shown.join(", ")}`),
    body: `${actor} released your lease ${id} by force: ${reason}\n\nIts fence ${lease.fence} is dead: work under it is not accepted any longer.`,
    to: [name],
    importance: "high",
  };
}
