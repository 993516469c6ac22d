import type { FastifyInstance, FastifyRequest } from "fastify";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { Metrics } from "./metrics.ts";
import type { Gate } from "./mount.ts";

export interface OperationsDeps {
  readonly gate: Gate;
  readonly metrics: Metrics;
  readonly query: Query;
}

/** What operators and their tools ask: none of it waits for the writer. */
export function mountOperations(
  app: FastifyInstance,
  { gate, metrics, query }: OperationsDeps,
): void {
  const hide = { schema: { hide: true } };
  // A prober behind the same address as busy strangers must not take the server for dead.
  const probe = { ...hide, config: { uncounted: true } } as const;
  app.get("/healthz", probe, () => ({ status: "ok" }));
  app.get("/readyz", probe, async () => {
    if (gate.stopping.aborted) throw notReady("the server is stopping");
    await query("select 1").catch((error: unknown) => {
      throw notReady("the database cannot be read", error);
    });
    return { status: "ready" };
  });
  app.get("/metrics", hide, async (request, reply) => {
    await localOr(request, gate, "metrics:read");
    void reply.header("content-type", metrics.contentType);
    return reply.send(await metrics.text());
  });
  let document: string | undefined;
  app.get("/openapi.json", hide, async (request, reply) => {
    await localOr(request, gate, null);
    document ??= JSON.stringify(app.swagger());
    void reply.header("content-type", "application/json; charset=utf-8");
    return reply.send(document);
  });
}

const LOOPBACK = /^(::1|(::ffff:)?127(\.\d+){3})$/;

/** From this machine, and not through a proxy on it, without a token; from elsewhere with the scope (null: any token). */
async function localOr(
  request: FastifyRequest,
  { auth }: Gate,
  scope: "metrics:read" | null,
): Promise<void> {
  const { headers, socket } = request;
  const proxied = headers["x-forwarded-for"] ?? headers["forwarded"];
  if (proxied === undefined && LOOPBACK.test(socket.remoteAddress ?? "")) return;
  const { principal } = await auth.authenticate(headers.authorization, null);
  if (scope === null || principal.scopes.has(scope)) return;
  throw new ProblemError("FORBIDDEN", `${principal.id} lacks the scope ${scope}`, {
    next: "ask an admin for the role operator, or ask from the server's own machine",
  });
}

const notReady = (message: string, cause?: unknown): ProblemError =>
  new ProblemError("UNAVAILABLE", message, { retryAfterMs: 1_000, cause });
