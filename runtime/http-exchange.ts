import type { ClientRequest, IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Exchange, HttpRequest } from "../contract/transport.ts";

/**
 * Exchanges by Node's own HTTP client. Loading it takes a tenth of what the first `fetch` of a process takes, which is
 * most of the time of a short command.
 */
export const httpExchange: Exchange = async (outgoing) => {
  const answer = await answerTo(outgoing);
  return {
    status: answer.statusCode ?? 0,
    content: await buffer(answer),
    type: answer.headers["content-type"] ?? "",
  };
};

async function answerTo(outgoing: HttpRequest): Promise<IncomingMessage> {
  const { url, method, headers, body, signal } = outgoing;
  const { request } = await (url.startsWith("https:") ? import("node:https") : import("node:http"));
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(url, { method, headers, signal }, resolve);
    sent.on("error", (error) => reject(signal.aborted ? (signal.reason as Error) : error));
    sent.end(body);
  });
}
