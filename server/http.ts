import { setMaxListeners } from "node:events";
import type { FastifyInstance } from "fastify";
import { packageVersion } from "../runtime/version.ts";
import { buildApp } from "./app.ts";
import { openDomains } from "./domains.ts";
import { readEdge } from "./edge.ts";
import type { Followers } from "./followers.ts";
import { mountGitHttp } from "./git-http.ts";
import { projectByName } from "./identity/store.ts";
import { closeGracefully, listen } from "./listen.ts";
import { mountMcp } from "./mcp/mount.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import type { Gate } from "./mount.ts";
import { mountOperations } from "./operations.ts";
import { openRefusals } from "./refusals.ts";
import type { Plumbing, State } from "./state.ts";
import { mountStream } from "./stream.ts";
import { IDENTITY_TOPIC } from "./topics.ts";

/** Opens the server to the network; answers its address. The last to start and the first to stop. */
export async function serve(
  plumbing: Plumbing,
  state: State,
  followers: Followers,
): Promise<string> {
  const { settings, log, releasers } = plumbing;
  const { eventLog, identity, hub, blobs, reports } = state;
  const stopping = new AbortController();
  // Every call that waits listens to it: more than ten of them are no leak.
  setMaxListeners(0, stopping.signal);
  const gate: Gate = { auth: identity.auth, stopping: stopping.signal };
  const metrics = createMetrics(eventLog.query);
  const refusals = await openRefusals({ eventLog, data: settings.data, metrics, log });
  releasers.push("refusals", () => refusals.stop());
  const app = await buildApp({
    domains: openDomains({
      log: eventLog,
      hub,
      blobs,
      settings,
      identity: identity.deps,
      report: reports.make,
      ...followers,
    }),
    gate,
    metrics,
    log,
    version: packageVersion(),
    edge: await readEdge(settings),
    onRefused: refusals.record,
  });
  await mountBesides(app, { gate, metrics, state, followers, log });
  const url = await listen(app, settings.listen);
  releasers.push("http", () => {
    stopping.abort();
    return closeGracefully(app);
  });
  return url;
}

interface Besides {
  readonly gate: Gate;
  readonly metrics: Metrics;
  readonly state: State;
  readonly followers: Followers;
  readonly log: Plumbing["log"];
}

/** What is not in the contract: the stream, MCP, health and metrics, Git. */
async function mountBesides(
  app: FastifyInstance,
  { gate, metrics, state: { eventLog, hub, identity }, followers, log }: Besides,
): Promise<void> {
  const { query } = eventLog;
  const { archive, postsGivenUp } = followers;
  const now = (): number => eventLog.now();
  const streams = await mountStream(app, { gate, hub, query, now, version: packageVersion() });
  hub.subscribe(IDENTITY_TOPIC, () => streams.recheck());
  // The log speaks of a revoked key before the server has taken note of it.
  identity.onKeysLoaded(() => streams.recheck());
  metrics.streams(() => streams.count());
  metrics.postsGivenUp(postsGivenUp);
  mountOperations(app, { gate, metrics, query });
  mountMcp(app, {
    gate,
    log: eventLog,
    identity: identity.deps,
    version: packageVersion(),
    onFault: (err, tool) => log.error({ err, tool }, "a tool failed"),
  });
  await mountGitHttp(app, {
    gate,
    archive,
    projectExists: async (name) => (await projectByName(query, name)) !== undefined,
  });
}
