import websocket from "@fastify/websocket";
import type { FastifyInstance } from "fastify";
import type { WebSocket } from "ws";
import { ProblemError } from "../contract/problem.ts";
import { PROTOCOL_VERSION } from "../contract/stream.ts";
import type { Query } from "../storage/db.ts";
import { Counts } from "./counts.ts";
import type { Hub } from "./hub.ts";
import type { Gate } from "./mount.ts";
import { StreamSession } from "./stream-session.ts";

const PATH = "/v1/stream";
const PING_MS = 15_000;
const MAX_FRAME_BYTES = 65_536;
/** Open sockets of one principal. */
const MOST_SOCKETS = 64;

export interface StreamDeps {
  readonly gate: Gate;
  readonly hub: Hub;
  readonly query: Query;
  readonly now: () => number;
  readonly version: string;
}

/** The open sockets of `/v1/stream`. */
export interface Streams {
  count(): number;
  /** Closes the sockets whose token would no longer be accepted; called after a change of identity. */
  recheck(): void;
}

/** Mounts the WebSocket endpoint: the token is in the upgrade's Authorization header, as for every other call. */
export async function mountStream(app: FastifyInstance, deps: StreamDeps): Promise<Streams> {
  const { gate, version } = deps;
  const sessions = new Set<StreamSession>();
  const counts = new Counts(MOST_SOCKETS);
  await app.register(websocket, { options: { maxPayload: MAX_FRAME_BYTES } });
  // Any other route would leave the socket to nobody, who would never close it.
  app.addHook("onRequest", (request, _reply, done) => {
    done(request.ws && request.routeOptions.url !== PATH ? noStream() : undefined);
  });
  app.get(
    PATH,
    {
      websocket: true,
      schema: { hide: true },
      onRequest: async (request) => {
        const { authorization } = request.headers;
        const { principal } = await gate.auth.authenticate(authorization, null);
        request.caller = await gate.auth.authenticate(authorization, principal.project);
      },
    },
    (socket: WebSocket, request) => {
      const { caller } = request;
      if (caller === null) return;
      const session = new StreamSession(socket, {
        ...deps,
        caller,
        monotonic: () => performance.now(),
      });
      if (!counts.enter(caller.principal.id)) {
        session.refuse(MOST_SOCKETS);
        return;
      }
      sessions.add(session);
      socket.once("close", () => {
        sessions.delete(session);
        counts.leave(caller.principal.id);
      });
      session.send({ type: "hello", protocol: PROTOCOL_VERSION, version, pingMs: PING_MS });
      // A revocation since the upgrade was checked has found no session to end.
      void session.recheck();
    },
  );
  const timer = setInterval(() => {
    for (const session of sessions) session.ping();
  }, PING_MS).unref();
  gate.stopping.addEventListener("abort", () => {
    clearInterval(timer);
    for (const session of sessions) session.end(1001, "UNAVAILABLE", "the server is stopping");
  });
  return {
    count: () => sessions.size,
    recheck: () => {
      for (const session of sessions) void session.recheck();
    },
  };
}

const noStream = (): ProblemError =>
  new ProblemError("BAD_REQUEST", `only ${PATH} can be upgraded to a WebSocket`, {
    next: `connect to ${PATH}, or leave the header Upgrade out`,
  });
