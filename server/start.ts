import type { Logger } from "pino";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { createLog } from "../runtime/log.ts";
import { createReleasers, type Releasers } from "../runtime/shutdown.ts";
import { packageVersion } from "../runtime/version.ts";
import { openFsBlobs } from "../storage/blobs-fs.ts";
import type { Blobs } from "../storage/blobs.ts";
import type { EventLog } from "../storage/event-log.ts";
import { lastSeq } from "../storage/events.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { agentsPort } from "./agents-port.ts";
import type { RunningArchive } from "../archive/start.ts";
import { buildApp } from "./app.ts";
import { openArchive } from "./archive.ts";
import { takeDataFolder } from "./data-folder.ts";
import { openDomainLog, openDomains, reportsDeps } from "./domains.ts";
import { mountGitHttp } from "./git-http.ts";
import { readEdge } from "./edge.ts";
import { type Hub, openHub } from "./hub.ts";
import { adminJoinFile } from "./identity/first-start.ts";
import { type Identity, openIdentity } from "./identity/open.ts";
import { projectByName } from "./identity/store.ts";
import { closeGracefully, listen } from "./listen.ts";
import { openMail } from "./mail.ts";
import { createMetrics } from "./metrics.ts";
import { mountOperations } from "./operations.ts";
import { countProject } from "./project-counts.ts";
import { openRefusals } from "./refusals.ts";
import type { Settings } from "./settings.ts";
import { mountStream } from "./stream.ts";
import { startLeasePosts } from "./lease-posts.ts";
import { startSweepPosts } from "./sweep-posts.ts";
import { changesIdentity, IDENTITY_TOPIC, topicsOf } from "./topics.ts";

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
    const parts = await open(options, { log, releasers });
    return { ...(await serve(options, { log, releasers, ...parts })), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Plumbing {
  readonly log: Logger;
  readonly releasers: Releasers;
}

interface State {
  readonly eventLog: EventLog;
  readonly identity: Identity;
  readonly hub: Hub;
  readonly blobs: Blobs;
}

/** Everything below HTTP: the data folder, its log, who may call, and the wake-ups. */
async function open(
  { settings, newAdminJoin = false, clock = systemClock }: ServerOptions,
  { log, releasers }: Plumbing,
): Promise<State> {
  const folder = await takeDataFolder(settings.data);
  releasers.push("data folder", () => folder.release());
  const db = openSqlite({ file: folder.database, clock });
  releasers.push("database", () => db.close());
  await migrate(db);
  const blobs = await openFsBlobs(folder.blobs);
  const eventLog = openDomainLog(db, settings);
  const restarted = (await lastSeq(db.query)) > 0;
  const identity = await openIdentity({
    log: eventLog,
    data: folder.path,
    newAdminJoin,
    agents: agentsPort,
    countProject,
  });
  const hub = await openHub({
    db,
    topicsOf,
    onTypes: (types) => {
      if ([...types].some(changesIdentity)) identity.deps.standings.clear();
    },
    onError: (err) => log.error({ err }, "wake-up failed"),
  });
  releasers.push("hub", () => hub.stop());
  if (restarted) eventLog.deadlines.freezeUntil(eventLog.now() + settings.leases.startFreeze);
  eventLog.deadlines.start((err, deadline) => log.error({ err, deadline }, "deadline failed"));
  releasers.push("deadlines", () => eventLog.deadlines.stop());
  return { eventLog, identity, hub, blobs };
}

async function serve(
  { settings }: ServerOptions,
  { log, releasers, eventLog, identity, hub, blobs }: Plumbing & State,
): Promise<Omit<RunningServer, "stop">> {
  const stopping = new AbortController();
  const gate = { auth: identity.auth, stopping: stopping.signal };
  const archive = await openArchive({ settings, eventLog, identity, log });
  releasers.push("archive", () => archive.stop());
  const mail = await openMail({
    log: eventLog,
    data: settings.data,
    onError: (err) => log.error({ err }, "delivering or indexing mail failed"),
  });
  releasers.push("mail", () => mail.stop());
  const domains = openDomains({
    log: eventLog,
    search: mail.search,
    hub,
    blobs,
    settings,
    identity: identity.deps,
    archive,
  });
  const version = packageVersion();
  const { query } = eventLog;
  const metrics = createMetrics(query);
  const refusals = await openRefusals({ eventLog, data: settings.data, metrics, log });
  releasers.push("refusals", () => refusals.stop());
  const edge = await readEdge(settings);
  const app = await buildApp({
    domains,
    gate,
    metrics,
    log,
    version,
    edge,
    onRefused: refusals.record,
  });
  const now = (): number => eventLog.now();
  const streams = await mountStream(app, { gate, hub, query, now, version });
  hub.subscribe(IDENTITY_TOPIC, () => streams.recheck());
  metrics.streams(() => streams.count());
  mountOperations(app, { gate, metrics, query });
  await mountGitHttp(app, {
    gate,
    archive,
    projectExists: async (name) => (await projectByName(query, name)) !== undefined,
  });
  const posts = await startSweepPosts({
    log: eventLog,
    reports: reportsDeps(eventLog),
    onError: (err) => log.error({ err }, "posting to a sweep's thread failed"),
  });
  releasers.push("sweep posts", () => posts.stop());
  const url = await listen(app, settings.listen);
  releasers.push("http", () => {
    stopping.abort();
    return closeGracefully(app);
  });
  const adminJoin = identity.wroteAdminJoin ? adminJoinFile(settings.data) : null;
  return { url, adminJoin, eventLog, archive };
}
