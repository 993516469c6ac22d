import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import inject from "light-my-request";
import { type Client, createClient } from "../../contract/client.ts";
import type { Exchange } from "../../contract/transport.ts";

/**
 * The typed client over the application itself, without a socket: a tool call passes the same authentication, scopes,
 * validation and handlers as an HTTP call with that token. Once the caller is gone, what it waits for ends as if its
 * connection had closed, and nothing more is called.
 */
export function localClient(
  app: FastifyInstance,
  token: () => Promise<string>,
  gone: AbortSignal,
): Client {
  const exchange: Exchange = async ({ url, method, headers, body }) => {
    gone.throwIfAborted();
    // The signal that `inject` takes itself ends no call whose body has been read.
    const route = (request: IncomingMessage, response: ServerResponse): void => {
      const cut = (): void => void response.destroy();
      gone.addEventListener("abort", cut);
      response.once("close", () => gone.removeEventListener("abort", cut));
      app.routing(request, response);
    };
    const answer = await inject(route, {
      url,
      method: method as "GET" | "POST" | "PUT" | "DELETE",
      headers,
      ...(body === undefined
        ? {}
        : { payload: typeof body === "string" ? body : Buffer.from(body) }),
    });
    return {
      status: answer.statusCode,
      content: answer.rawPayload,
      type: String(answer.headers["content-type"] ?? ""),
    };
  };
  // Long polls end by themselves within 5 minutes.
  return createClient({ url: "http://gridpost.local", token, exchange, timeoutMs: 330_000 });
}
