import type { ServerResponse } from "node:http";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { isInitializeRequest } from "@modelcontextprotocol/sdk/types.js";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Client } from "../../contract/client.ts";
import { Name } from "../../contract/ids.ts";
import { ProblemError } from "../../contract/problem.ts";
import { RepoName } from "../../contract/resource.ts";
import type { EventLog } from "../../storage/event-log.ts";
import { type Authenticated, bearer } from "../identity/authenticate.ts";
import type { IdentityDeps } from "../identity/deps.ts";
import { grant } from "../identity/exchange.ts";
import type { Gate } from "../mount.ts";
import type { Connection } from "./agent-mail/connection.ts";
import { localClient } from "./local-client.ts";
import { type OpenCalls, openCalls } from "./open-calls.ts";
import { profiles } from "./profiles.ts";
import { type Binding, type McpSessions, mcpSessions } from "./sessions.ts";
import type { OnFault } from "./tool.ts";

const BODY_LIMIT = 16 * 1_048_576;
const Query = z.object({
  profile: z.enum(["default", "agent-mail"]).default("default"),
  project: Name.default("default"),
  repo: RepoName.default("default"),
});

export interface McpDeps {
  readonly gate: Gate;
  readonly log: EventLog;
  readonly identity: IdentityDeps;
  readonly version: string;
  readonly onFault: OnFault;
}

/** What is known of the connections, beside what each request says. */
interface Connections extends McpDeps {
  readonly sessions: McpSessions;
  readonly calls: OpenCalls;
}

/**
 * Mounts `POST /mcp`: MCP by streamable HTTP, one JSON answer per request. The connection is who its token says; what a
 * user's connection is bound to is kept as a row under its `Mcp-Session-Id`, so that a restart ends no connection.
 */
export function mountMcp(app: FastifyInstance, deps: McpDeps): void {
  const sessions = mcpSessions(deps.log);
  const connections = { ...deps, sessions, calls: openCalls() };
  const admit = async (request: FastifyRequest): Promise<void> => {
    const { authorization } = request.headers;
    request.caller = await deps.gate.auth.authenticate(authorization, null);
  };
  const options = { schema: { hide: true }, onRequest: admit, bodyLimit: BODY_LIMIT };
  app.post("/mcp", options, (request, reply) => answer(app, connections, { request, reply }));
  app.delete("/mcp", options, async (request, reply) => {
    const id = sessionId(request);
    if (id !== null) await sessions.close(id, callerOf(request).principal.id);
    return reply.code(204).send();
  });
  // There is no stream from the server: an idle agent is not woken by notifications.
  app.get("/mcp", options, (_request, reply) =>
    reply.code(405).header("allow", "POST, DELETE").send(),
  );
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function answer(
  app: FastifyInstance,
  deps: Connections,
  { request, reply }: Exchange,
): Promise<void> {
  const query = Query.safeParse(request.query);
  if (!query.success)
    throw new ProblemError("BAD_REQUEST", z.prettifyError(query.error), {
      next: "POST /mcp?profile=default|agent-mail&project=NAME&repo=NAME",
    });
  const caller = callerOf(request);
  const { principal } = caller;
  const call = leaving(reply.raw);
  const gone = call.signal;
  const id = isInitializeRequest(request.body)
    ? await deps.sessions.open(principal.id)
    : sessionId(request);
  // A session that is gone is a 404 before anything else, as the protocol has it: the client then begins anew.
  if (id !== null) {
    await deps.sessions.binding(id, principal.id);
    const forget = deps.calls.note(id, request.body, call);
    reply.raw.once("close", forget);
    if (gone.aborted) forget();
  }
  const connection = connect(app, deps, { request, caller, id, gone });
  const { profile, project, repo } = query.data;
  const server = profiles[profile]({
    version: deps.version,
    connection,
    project,
    repo,
    // That nobody waits for the answer any longer is no fault.
    onFault: (error, tool) => {
      if (!gone.aborted) deps.onFault(error, tool);
    },
  });
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  // The SDK's class declares its callbacks as `T | undefined` where its interface has them optional.
  await server.connect(transport as Transport);
  reply.hijack();
  if (id !== null) reply.raw.setHeader("mcp-session-id", id);
  reply.raw.once("close", () => void server.close());
  await transport.handleRequest(request.raw, reply.raw, request.body);
}

/** Fires when the client goes away before it has its answer. */
function leaving(response: ServerResponse): AbortController {
  const controller = new AbortController();
  const left = (): void => {
    if (!response.writableFinished) controller.abort();
  };
  if (response.destroyed) left();
  response.once("close", left);
  return controller;
}

interface Caller {
  readonly request: FastifyRequest;
  readonly caller: Authenticated;
  readonly id: string | null;
  readonly gone: AbortSignal;
}

function connect(
  app: FastifyInstance,
  { identity, sessions }: Connections,
  { request, caller: { principal: caller, claims }, id, gone }: Caller,
): Connection {
  const clientOf = (token: string): Client => localClient(app, () => Promise.resolve(token), gone);
  const own = clientOf(bearer(request.headers.authorization));
  const session = request.headers["gridpost-lease-session"];
  const itself: Binding | null =
    caller.kind === "agent" && caller.project !== null
      ? { project: caller.project, agent: caller.name }
      : null;
  return {
    principal: caller.id,
    own,
    leaseSession: typeof session === "string" ? session : null,
    bound: async () => itself ?? (id === null ? null : sessions.binding(id, caller.id)),
    bind: async (binding) => {
      if (id === null)
        throw new ProblemError("BAD_REQUEST", "this call carries no MCP session to bind", {
          next: "begin with initialize and send its Mcp-Session-Id",
        });
      await sessions.bind(id, binding);
    },
    as: async ({ project, agent }) => {
      if (itself?.project === project && itself.agent === agent) return own;
      const generation = claims.act === null ? claims.gen : claims.agen;
      const proved = { principal: caller.id, generation };
      const granted = await grant(identity, proved, { project, name: agent });
      return clientOf(granted.token);
    },
  };
}

function callerOf({ caller }: FastifyRequest): Authenticated {
  if (caller === null) throw new ProblemError("UNAUTHENTICATED", "no token");
  return caller;
}

function sessionId({ headers }: FastifyRequest): string | null {
  const id = headers["mcp-session-id"];
  return typeof id === "string" ? id : null;
}
