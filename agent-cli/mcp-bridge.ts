import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { UnreachableError } from "../contract/transport.ts";
import type { Failure } from "./failure.ts";

/** Where messages go: `POST /mcp` of the server. */
export interface Upstream {
  readonly url: URL;
  /** An access token; `fresh` after a 401. */
  readonly token: (fresh: boolean) => Promise<string | undefined>;
  readonly headers: Readonly<Record<string, string>>;
  /** What kept a message from being carried, in words of the command line. */
  readonly explain: (error: unknown) => Problem;
}

type Problem = Failure["problem"];

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** JSON-RPC 2.0 reserves -32000 to -32099 for the implementation. */
const SERVER_ERROR = -32_000;

/**
 * Speaks MCP on stdin and stdout and carries every message to the server, with a token that it renews by itself. A
 * session that the server has forgotten is begun anew with the client's own `initialize`. Resolves when stdin closes.
 */
export async function bridgeMcp(upstream: Upstream): Promise<void> {
  const stdio = new StdioServerTransport();
  const carry = carrier(upstream);
  const closed = new Promise<void>((resolve) => {
    process.stdin.once("end", resolve);
    process.stdin.once("close", resolve);
  });
  // The order of messages is kept: a client may send a call right after its notification.
  let last = Promise.resolve();
  stdio.onmessage = (message) => {
    const answer = carry(message);
    last = last
      .then(() => answer)
      .then(async (reply) => {
        if (reply !== undefined) await stdio.send(reply);
      });
  };
  await stdio.start();
  await closed;
  await last;
  await stdio.close();
}

function carrier(
  upstream: Upstream,
): (message: JSONRPCMessage) => Promise<JSONRPCMessage | undefined> {
  let session: string | undefined;
  let initialize: JSONRPCMessage | undefined;
  let ready: Promise<unknown> = Promise.resolve();

  const unreachable = (error: Error): never => {
    const { message } = error.cause instanceof Error ? error.cause : error;
    const { origin } = upstream.url;
    throw new UnreachableError(`cannot reach ${origin}: ${message}`, undefined, error);
  };
  const post = async (message: JSONRPCMessage, fresh: boolean): Promise<Answer> => {
    const token = await upstream.token(fresh);
    const response = await fetch(upstream.url, {
      method: "POST",
      headers: {
        ...upstream.headers,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(session === undefined || isInitialize(message) ? {} : { "mcp-session-id": session }),
      },
      body: JSON.stringify(message),
    }).catch(unreachable);
    session = response.headers.get("mcp-session-id") ?? session;
    const text = await response.text().catch(unreachable);
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  const send = async (message: JSONRPCMessage): Promise<Answer> => {
    let answer = await post(message, false);
    if (answer.status === 401) answer = await post(message, true);
    if (answer.status !== 404 || initialize === undefined || isInitialize(message)) return answer;
    await post(initialize, false);
    return post(message, false);
  };
  return async (message) => {
    if (isInitialize(message)) initialize = message;
    // A call needs the session that the answer to `initialize` names.
    const before = ready;
    const sent = before.then(() => send(message));
    if (isInitialize(message)) ready = sent.catch(() => undefined);
    try {
      const { status, body } = await sent;
      if (status < 400) return body as JSONRPCMessage | undefined;
      return failure(message, isProblem(body) ? told(body) : `the server answered ${status}`);
    } catch (error) {
      return failure(message, told(upstream.explain(error)));
    }
  };
}

const isInitialize = (message: JSONRPCMessage): boolean =>
  "method" in message && message.method === "initialize";

/** The error answer of a request; a notification has none. */
function failure(message: JSONRPCMessage, text: string): JSONRPCMessage | undefined {
  if (!("id" in message) || !("method" in message)) return undefined;
  return { jsonrpc: "2.0", id: message.id, error: { code: SERVER_ERROR, message: text } };
}

type Told = Pick<Problem, "message" | "next">;

const isProblem = (body: unknown): body is Told =>
  typeof body === "object" && body !== null && "message" in body;

const told = ({ message, next }: Told): string =>
  next === undefined ? message : `${message} Next: ${next}`;
