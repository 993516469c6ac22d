import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import {
  CancelledNotificationSchema,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/sdk/types.js";
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

interface Carried {
  readonly message: JSONRPCMessage;
  /** Fires when nobody waits for the answer any longer. */
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** JSON-RPC 2.0 reserves -32000 to -32099 for the implementation. */
const SERVER_ERROR = -32_000;

/** What has been asked before stdin closed may still be answered for so long. */
const LAST_ANSWERS_MS = 1_500;

/**
 * Speaks MCP on stdin and stdout and carries every message to the server, with a token that it renews by itself. A
 * session that the server has forgotten is begun anew with the client's own `initialize`. Each answer goes out as it
 * comes. Resolves soon after stdin closes.
 */
export async function bridgeMcp(upstream: Upstream): Promise<void> {
  const stdio = new StdioServerTransport();
  const carry = carrier(upstream);
  const closed = new Promise<void>((resolve) => {
    process.stdin.once("end", resolve);
    process.stdin.once("close", resolve);
  });
  const underWay = new Map<AbortController, { id: RequestId | undefined; ended: Promise<void> }>();
  const answer = async (message: JSONRPCMessage, { signal }: AbortController): Promise<void> => {
    const reply = await carry(message, signal);
    if (reply !== undefined && !signal.aborted) await stdio.send(reply);
  };
  stdio.onmessage = (message) => {
    const cancelled = cancelledBy(message);
    for (const [call, { id }] of underWay)
      if (cancelled !== undefined && id === cancelled) call.abort();
    // The server learns of it by the connection of the call, which closes.
    if (cancelled !== undefined) return;
    const call = new AbortController();
    const ended = answer(message, call).finally(() => underWay.delete(call));
    underWay.set(call, { id: idOf(message), ended });
  };
  await stdio.start();
  await closed;
  const end = setTimeout(() => {
    for (const call of underWay.keys()) call.abort();
  }, LAST_ANSWERS_MS);
  await Promise.all([...underWay.values()].map(({ ended }) => ended));
  clearTimeout(end);
  await stdio.close();
}

/** The id of a request; a notification has none. */
const idOf = (message: JSONRPCMessage): RequestId | undefined =>
  "method" in message && "id" in message ? message.id : undefined;

/** The request that a message calls off. */
const cancelledBy = (message: JSONRPCMessage): RequestId | undefined =>
  CancelledNotificationSchema.safeParse(message).data?.params.requestId;

function carrier(
  upstream: Upstream,
): (message: JSONRPCMessage, signal: AbortSignal) => Promise<JSONRPCMessage | undefined> {
  let session: string | undefined;
  let initialize: JSONRPCMessage | undefined;
  let ready: Promise<unknown> = Promise.resolve();

  const unreachable = (error: Error): never => {
    const { message } = error.cause instanceof Error ? error.cause : error;
    const { origin } = upstream.url;
    throw new UnreachableError(`cannot reach ${origin}: ${message}`, undefined, error);
  };
  const post = async ({ message, signal }: Carried, fresh: boolean): Promise<Answer> => {
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
      signal,
    }).catch(unreachable);
    session = response.headers.get("mcp-session-id") ?? session;
    const text = await response.text().catch(unreachable);
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  const send = async (carried: Carried): Promise<Answer> => {
    const { message, signal } = carried;
    let answer = await post(carried, false);
    if (answer.status === 401) answer = await post(carried, true);
    if (answer.status !== 404 || initialize === undefined || isInitialize(message)) return answer;
    await post({ message: initialize, signal }, false);
    return post(carried, false);
  };
  return async (message, signal) => {
    if (isInitialize(message)) initialize = message;
    // A call needs the session that the answer to `initialize` names.
    const before = ready;
    const sent = before.then(() => send({ message, signal }));
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

/** The error answer of a request. */
function failure(message: JSONRPCMessage, text: string): JSONRPCMessage | undefined {
  const id = idOf(message);
  return id === undefined
    ? undefined
    : { jsonrpc: "2.0", id, error: { code: SERVER_ERROR, message: text } };
}

type Told = Pick<Problem, "message" | "next">;

const isProblem = (body: unknown): body is Told =>
  typeof body === "object" && body !== null && "message" in body;

const told = ({ message, next }: Told): string =>
  next === undefined ? message : `${message} Next: ${next}`;
