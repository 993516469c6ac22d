import { z } from "zod";
import type { DomainContract, Endpoint, EndpointOutput, EndpointRequest } from "./endpoint.ts";
import { contract, type Contract } from "./index.ts";
import { newId } from "./ids.ts";
import { Problem, ProblemError, PROBLEMS, type ProblemCode } from "./problem.ts";

export interface CallOptions {
  /** Makes a POST safe to repeat; made for each call when left out. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds until the call is given up; longer for a long poll. */
  readonly timeoutMs?: number;
}

type Call<E extends Endpoint> = keyof EndpointRequest<E> extends never
  ? (request?: Record<string, never>, options?: CallOptions) => Promise<EndpointOutput<E>>
  : (request: EndpointRequest<E>, options?: CallOptions) => Promise<EndpointOutput<E>>;

type DomainClient<C extends DomainContract> = { readonly [K in keyof C]: Call<C[K]> };

/** One function per endpoint, typed by the contract; replies are parsed leniently (unknown fields are dropped). */
export type Client = { readonly [D in keyof Contract]: DomainClient<Contract[D]> };

export interface ClientOptions {
  /** `http://host:port`, without a path. */
  readonly url: string;
  /** The access token to send; called for each request that needs one. `fresh` asks for a new one after a 401. */
  readonly token?: (fresh: boolean) => Promise<string | undefined>;
  readonly fetch?: typeof fetch;
  readonly timeoutMs?: number;
}

/** The server could not be reached or did not answer in time: the call may or may not have been carried out. */
export class UnreachableError extends Error {
  readonly idempotencyKey: string | undefined;

  constructor(message: string, idempotencyKey: string | undefined, cause: unknown) {
    super(message, { cause });
    this.name = "UnreachableError";
    this.idempotencyKey = idempotencyKey;
  }
}

interface Parts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

interface Target {
  readonly options: ClientOptions;
  readonly endpoint: Endpoint;
}

function urlOf(base: string, endpoint: Endpoint, parts: Parts): string {
  const path = endpoint.path.replaceAll(/:([A-Za-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(parts.params?.[name])),
  );
  const query = Object.entries(parts.query ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]): [string, string] => [key, String(value)]);
  return `${base.replace(/\/$/, "")}${path}${query.length > 0 ? `?${new URLSearchParams(query).toString()}` : ""}`;
}

const isCode = (code: string): code is ProblemCode => code in PROBLEMS;

function problemFrom(status: number, text: string): ProblemError {
  const parsed = Problem.safeParse(safeJson(text));
  if (parsed.success) {
    const { code, message, details, next, retryAfterMs } = parsed.data;
    return new ProblemError(isCode(code) ? code : codeOf(status), message, {
      details,
      ...(next === undefined ? {} : { next }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  return new ProblemError(codeOf(status), `the server answered ${status} without a readable body`);
}

function codeOf(status: number): ProblemCode {
  const found = Object.entries(PROBLEMS).find(([, value]) => value === status)?.[0];
  return found !== undefined && isCode(found) ? found : "INTERNAL";
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One exchange; a 401 is repeated once with a fresh token. */
async function exchange(
  { options, endpoint }: Target,
  parts: Parts,
  call: CallOptions,
): Promise<{ response: Response; text: string }> {
  const send = async (fresh: boolean): Promise<Response> => {
    const token = endpoint.scope === "public" ? undefined : await options.token?.(fresh);
    const timeout = AbortSignal.timeout(call.timeoutMs ?? options.timeoutMs ?? 30_000);
    return (options.fetch ?? fetch)(urlOf(options.url, endpoint, parts), {
      method: endpoint.method,
      headers: {
        ...(parts.body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(call.idempotencyKey === undefined ? {} : { "idempotency-key": call.idempotencyKey }),
      },
      ...(parts.body === undefined ? {} : { body: JSON.stringify(parts.body) }),
      signal: call.signal ? AbortSignal.any([call.signal, timeout]) : timeout,
    });
  };
  let response = await send(false);
  if (response.status === 401 && endpoint.scope !== "public" && options.token)
    response = await send(true);
  return { response, text: await response.text() };
}

async function request(target: Target, parts: Parts, call: CallOptions): Promise<unknown> {
  const { endpoint, options } = target;
  const keyed = endpoint.method === "POST" && endpoint.idempotent !== false;
  const { idempotencyKey = newId(), ...rest } = call;
  try {
    const { response, text } = await exchange(
      target,
      parts,
      keyed ? { ...rest, idempotencyKey } : rest,
    );
    if (!response.ok) throw problemFrom(response.status, text);
    return endpoint.response.parse(safeJson(text));
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    if (error instanceof z.ZodError)
      throw new ProblemError(
        "INTERNAL",
        `this version does not understand the answer of ${endpoint.method} ${endpoint.path}: ${z.prettifyError(error)}`,
        { cause: error },
      );
    throw new UnreachableError(
      `cannot reach ${options.url}: ${reasonOf(error)}`,
      keyed ? idempotencyKey : undefined,
      error,
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Builds the client from the contract alone. */
export function createClient(options: ClientOptions): Client {
  const domains = Object.entries(contract).map(([domain, endpoints]) => [
    domain,
    Object.fromEntries(
      Object.entries<Endpoint>(endpoints).map(([name, endpoint]) => [
        name,
        (parts: Parts = {}, call: CallOptions = {}) => request({ options, endpoint }, parts, call),
      ]),
    ),
  ]);
  // The types come from the contract that the loops above walk over.
  return Object.fromEntries(domains) as Client;
}
