import type { RunningArchive } from "../archive/start.ts";
import type { LoggedEvent } from "../storage/log.ts";
import type { SearchIndex } from "../storage/search.ts";
import { openArchive } from "./archive.ts";
import { startLeasePosts } from "./lease-posts.ts";
import { openMail } from "./mail.ts";
import type { Plumbing, State } from "./state.ts";
import { startSweepPosts } from "./sweep-posts.ts";

/** What follows the log and is asked by calls. */
export interface Followers {
  readonly archive: RunningArchive;
  readonly search: SearchIndex;
  /** About how many events nothing could be posted since the start. */
  readonly postsGivenUp: () => number;
}

/** Starts everything that follows the log: the archive, delivery and index of mail, posts about sweeps and leases. */
export async function startFollowers(
  { settings, log, releasers }: Plumbing,
  { eventLog, identity, reports }: State,
): Promise<Followers> {
  const failed =
    (what: string) =>
    (err: unknown): void =>
      log.error({ err }, `${what} failed`);
  const archive = await openArchive({ settings, eventLog, identity, report: reports.make, log });
  releasers.push("archive", () => archive.stop());
  const mail = await openMail({
    log: eventLog,
    data: settings.data,
    maxUnread: settings.limits.unread,
    onError: failed("delivering or indexing mail"),
  });
  releasers.push("mail", () => mail.stop());
  let givenUp = 0;
  const onGivenUp = (err: unknown, { id, type, seq }: LoggedEvent): void => {
    givenUp += 1;
    log.error({ err, event: { id, type, seq } }, "nothing could be posted about an event");
  };
  const sweeps = await startSweepPosts({
    log: eventLog,
    report: reports.make,
    onError: failed("posting to a sweep's thread"),
    onGivenUp,
  });
  releasers.push("sweep posts", () => sweeps.stop());
  const leases = await startLeasePosts({
    log: eventLog,
    onError: failed("telling the holder of a lease"),
    onGivenUp,
  });
  releasers.push("lease posts", () => leases.stop());
  return { archive, search: mail.search, postsGivenUp: () => givenUp };
}
