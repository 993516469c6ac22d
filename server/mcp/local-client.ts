import type { FastifyInstance } from "fastify";
import { type Client, createClient } from "../../contract/client.ts";
import type { Exchange } from "../../contract/transport.ts";

/**
 * The typed client over the application itself, without a socket: a tool call passes the same authentication, scopes,
 * validation and handlers as an HTTP call with that token.
 */
export function localClient(app: FastifyInstance, token: () => Promise<string>): Client {
  const exchange: Exchange = async ({ url, method, headers, body }) => {
    const answer = await app.inject({
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
