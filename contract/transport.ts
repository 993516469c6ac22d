import { PROBLEMS, ProblemError, type ProblemCode } from "./problem-error.ts";
import { timeLimit } from "./time-limit.ts";

/** What of an endpoint a caller must know to send it. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `:name` where a parameter goes. */
  readonly path: string;
  /** `public`: no token is sent. */
  readonly scope: string;
  /** `false`: a POST without an Idempotency-Key. */
  readonly idempotent?: false;
  /** The body is the bytes of a file, `content`. */
  readonly upload?: true;
  /** The answer is the bytes of a file. */
  readonly download?: true;
}

/** The parts of a request, not yet encoded. */
export interface Parts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
  readonly content?: Uint8Array;
}

export interface CallOptions {
  /** Makes a POST safe to repeat; made for each call when left out. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds until the call is given up; longer for a long poll. */
  readonly timeoutMs?: number;
}

export interface ClientOptions {
  /** `http://host:port`, without a path. */
  readonly url: string;
  /** The access token to send; called for each request that needs one. `fresh` asks for a new one after a 401. */
  readonly token?: (fresh: boolean) => Promise<string | undefined>;
  /** How a request goes out; by `fetch` when left out. */
  readonly exchange?: Exchange;
  readonly timeoutMs?: number;
}

/** One encoded HTTP request. */
export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
  /** Fires when the caller gives up or the time is over. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly content: Uint8Array;
  /** Its media type. */
  readonly type: string;
}

/** Sends a request and reads the whole answer; rejects when there is none. */
export type Exchange = (request: HttpRequest) => Promise<HttpAnswer>;

const byFetch: Exchange = async ({ url, method, headers, body, signal }) => {
  const response = await fetch(url, {
    method,
    headers,
    signal,
    ...(body === undefined ? {} : { body }),
  });
  const content = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, content, type: response.headers.get("content-type") ?? "" };
};

/** The server could not be reached or did not answer in time: the call may or may not have been carried out. */
export class UnreachableError extends Error {
  readonly idempotencyKey: string | undefined;

  constructor(message: string, idempotencyKey: string | undefined, cause: unknown) {
    super(message, { cause });
    this.name = "UnreachableError";
    this.idempotencyKey = idempotencyKey;
  }
}

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Sends one request and gives the parsed JSON of a successful answer, or `{ content, type }` of a file; a 401 is repeated once with a fresh token.
 * @throws ProblemError as the server answers; UnreachableError; what `token` throws
 */
export async function send(
  target: { readonly options: ClientOptions; readonly route: Route },
  parts: Parts,
  call: CallOptions,
): Promise<unknown> {
  const { route, options } = target;
  const keyed = route.method === "POST" && route.idempotent !== false;
  const key = keyed ? (call.idempotencyKey ?? globalThis.crypto.randomUUID()) : undefined;
  const withToken = route.scope !== "public" && options.token !== undefined;
  const attempt = async (fresh: boolean): Promise<HttpAnswer> => {
    const token = withToken ? await options.token?.(fresh) : undefined;
    return exchange(options, { parts, route, token, key, call });
  };
  let answer = await attempt(false);
  if (answer.status === 401 && withToken) answer = await attempt(true);
  if (answer.status >= 400) throw problemFrom(answer);
  if (route.download === true) return { content: answer.content, type: answer.type };
  try {
    return JSON.parse(textOf(answer));
  } catch (cause) {
    throw new ProblemError("INTERNAL", `${options.url} does not answer like a Gridpost server`, {
      next: "check the address",
      cause,
    });
  }
}

interface Outgoing {
  readonly route: Route;
  readonly parts: Parts;
  readonly token: string | undefined;
  readonly key: string | undefined;
  readonly call: CallOptions;
}

async function exchange(options: ClientOptions, outgoing: Outgoing): Promise<HttpAnswer> {
  const { route, parts, token, key, call } = outgoing;
  const { body, type } = encoded(parts);
  const url = urlOf(options.url, route.path, parts);
  const ms = call.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const limit = timeLimit(ms, ...(call.signal ? [call.signal] : []));
  try {
    return await (options.exchange ?? byFetch)({
      url,
      method: route.method,
      headers: {
        ...(type === undefined ? {} : { "content-type": type }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      body,
      signal: limit.signal,
    });
  } catch (error) {
    throw new UnreachableError(`cannot reach ${options.url}: ${reasonOf(error)}`, key, error);
  } finally {
    limit.end();
  }
}

function encoded({ body, content }: Parts): Pick<HttpRequest, "body"> & { type?: string } {
  if (content !== undefined) return { body: content, type: "application/octet-stream" };
  if (body === undefined) return { body: undefined };
  return { body: JSON.stringify(body), type: "application/json" };
}

const textOf = ({ content }: HttpAnswer): string => new TextDecoder().decode(content);

function urlOf(base: string, path: string, parts: Parts): string {
  const filled = path.replaceAll(/:([A-Za-z0-9]+)/g, (_, name: string) =>
    segmentOf(String(parts.params?.[name])),
  );
  const query = Object.entries(parts.query ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]): [string, string] => [key, String(value)]);
  return `${base.replace(/\/$/, "")}${filled}${query.length > 0 ? `?${new URLSearchParams(query).toString()}` : ""}`;
}

/** @throws ProblemError BAD_REQUEST for what a URL would take for another place than the one it names, however it is encoded */
function segmentOf(value: string): string {
  if (value !== "." && value !== "..") return encodeURIComponent(value);
  throw new ProblemError("BAD_REQUEST", `nothing is called "${value}"`, {
    next: "give a whole name or id",
  });
}

function problemFrom(answer: HttpAnswer): ProblemError {
  const { status } = answer;
  const body = problemBody(textOf(answer));
  if (body === undefined)
    return new ProblemError(
      codeOf(status),
      `the server answered ${status} without a readable body`,
    );
  return new ProblemError(isCode(body.code) ? body.code : codeOf(status), body.message, {
    ...(Array.isArray(body.details) ? { details: body.details } : {}),
    ...(typeof body.next === "string" ? { next: body.next } : {}),
    ...(typeof body.retryAfterMs === "number" ? { retryAfterMs: body.retryAfterMs } : {}),
  });
}

interface ReceivedProblem {
  readonly code: string;
  readonly message: string;
  readonly details?: unknown;
  readonly next?: unknown;
  readonly retryAfterMs?: unknown;
}

function problemBody(text: string): ReceivedProblem | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isProblem(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

const isProblem = (value: unknown): value is ReceivedProblem =>
  typeof value === "object" &&
  value !== null &&
  "code" in value &&
  typeof value.code === "string" &&
  "message" in value &&
  typeof value.message === "string";

const isCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);

function codeOf(status: number): ProblemCode {
  const found = Object.entries(PROBLEMS).find(([, value]) => value === status)?.[0];
  return found !== undefined && isCode(found) ? found : "INTERNAL";
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if ([error, cause].some((one) => one instanceof Error && one.name === "TimeoutError"))
    return "no answer in time";
  return cause instanceof Error ? cause.message : error.message;
}
