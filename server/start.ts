import type { Logger } from "pino";
import type { RunningArchive } from "../archive/start.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { createLog } from "../runtime/log.ts";
import { createReleasers } from "../runtime/shutdown.ts";
import { openFsBlobs } from "../storage/blobs-fs.ts";
import type { EventLog } from "../storage/event-log.ts";
import { startCheckpoints } from "../storage/checkpoints.ts";
import { lastSeq } from "../storage/log.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { agentsPort } from "./agents-port.ts";
import { refuseLostDatabase } from "./archive.ts";
import { takeDataFolder } from "./data-folder.ts";
import { openDomainLog } from "./domains.ts";
import { startFollowers } from "./followers.ts";
import { serve } from "./http.ts";
import { openHub } from "./hub.ts";
import { adminJoinFile } from "./identity/first-start.ts";
import { openIdentity } from "./identity/open.ts";
import { countProject } from "./project-counts.ts";
import { openReports } from "./report-thread.ts";
import type { Settings } from "./settings.ts";
import type { Plumbing, State } from "./state.ts";
import { changesIdentity, isTypeTopic, topicsOf, topicsOfType } from "./topics.ts";
import { removeScratch } from "./verify-thread.ts";

export interface ServerOptions {
  readonly settings: Settings;
  /** Writes another join token for an admin to `<data>/admin.join`. */
  readonly newAdminJoin?: boolean;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface RunningServer {
  readonly url: string;
  /** The file with the admin's join token, if this start wrote one. */
  readonly adminJoin: string | null;
  readonly eventLog: EventLog;
  readonly archive: RunningArchive;
  /** Answers what was accepted, then gives everything back. */
  stop(): Promise<void>;
}

/**
 * Starts the whole server: data folder, database, log, identity, domains, HTTP. Resolves when it answers.
 * @throws ProblemError with one line on what is wrong and what to do
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const releasers = createReleasers();
  const log = options.log ?? createLog(options.settings.log.level);
  const stop = (): Promise<void> =>
    releasers.release((name, err) => log.error({ err, name }, "stopping failed"));
  try {
    const plumbing = { settings: options.settings, log, releasers };
    const state = await open(plumbing, options);
    const followers = await startFollowers(plumbing, state);
    const url = await serve(plumbing, state, followers);
    const { eventLog, identity } = state;
    const adminJoin = identity.wroteAdminJoin ? adminJoinFile(options.settings.data) : null;
    return { url, adminJoin, eventLog, archive: followers.archive, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Everything below HTTP: the data folder, its log, who may call, and the wake-ups. */
async function open(
  { settings, log, releasers }: Plumbing,
  { newAdminJoin = false, clock = systemClock }: Pick<ServerOptions, "newAdminJoin" | "clock">,
): Promise<State> {
  const folder = await takeDataFolder(settings.data);
  releasers.push("data folder", () => folder.release());
  await removeScratch(folder.path);
  const db = openSqlite({ file: folder.database, clock });
  releasers.push("database", () => db.close());
  await migrate(db);
  const restarted = (await lastSeq(db.query)) > 0;
  if (!restarted) await refuseLostDatabase(folder.path);
  const onError = (err: unknown): void => log.error({ err }, "a checkpoint failed");
  const checkpoints = await startCheckpoints(db, folder.database, onError);
  releasers.push("checkpoints", () => checkpoints.stop());
  const reports = openReports(folder.database);
  releasers.push("reports", () => reports.close());
  const blobs = await openFsBlobs(folder.blobs);
  const eventLog = openDomainLog(db, settings);
  const identity = await openIdentity({
    log: eventLog,
    data: folder.path,
    newAdminJoin,
    agents: agentsPort,
    countProject,
    issuers: settings.oidc,
  });
  const hub = await openHub({
    follow: eventLog.follow,
    topics: { topicsOfType, isTypeTopic, topicsOf },
    onTypes: (types) => {
      if (types === null || [...types].some(changesIdentity)) identity.deps.standings.clear();
    },
    onError: (err) => log.error({ err }, "wake-up failed"),
  });
  releasers.push("hub", () => hub.stop());
  if (restarted) eventLog.deadlines.freezeUntil(eventLog.now() + settings.leases.startFreeze);
  eventLog.deadlines.start((err, deadline) => log.error({ err, deadline }, "deadline failed"));
  releasers.push("deadlines", () => eventLog.deadlines.stop());
  return { eventLog, identity, hub, blobs, reports };
}
