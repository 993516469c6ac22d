import { hash } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { FastifyRequest } from "fastify";
import type { Endpoint } from "../contract/endpoint.ts";
import type { CallContext, Idempotency, Principal } from "../contract/handlers.ts";
import { ProblemError } from "../contract/problem.ts";
import { type SchemaProblem, schemaProblems } from "../runtime/schema-problems.ts";
import { wrongInput } from "./wrong-input.ts";

const KEY = /^[\x21-\x7e]{1,128}$/;

/** The parsed parts of a request, by the names that handlers use. */
export interface Parts {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

/** One part of a request and where Fastify has it; a missing body is an empty one. */
const PARTS = [
  { name: "params", read: (request: FastifyRequest): unknown => request.params },
  { name: "query", read: (request: FastifyRequest): unknown => request.query },
  { name: "body", read: (request: FastifyRequest): unknown => request.body ?? {} },
] as const;

/** Parses params, query and body by the contract. @throws ProblemError BAD_REQUEST with every mistake of all three */
export function parseParts(endpoint: Endpoint, request: FastifyRequest): Parts {
  const parts: { -readonly [K in keyof Parts]: Parts[K] } = {};
  let mistakes: SchemaProblem[] | undefined;
  for (const { name, read } of PARTS) {
    const schema = endpoint[name];
    if (schema === undefined) continue;
    const value = read(request);
    const result = schema.safeParse(value);
    if (result.success) parts[name] = result.data;
    else
      for (const { path, message } of schemaProblems(schema, value, result.error))
        (mistakes ??= []).push({ path: [name, ...path], message });
  }
  if (mistakes === undefined) return parts;
  throw wrongInput(mistakes, `see ${endpoint.method} ${endpoint.path} in /openapi.json`);
}

/** The idempotency key of a request; null when there is none. @throws ProblemError IDEMPOTENCY_KEY_INVALID */
export function idempotencyOf(endpoint: Endpoint, request: FastifyRequest): Idempotency | null {
  const key = request.headers["idempotency-key"];
  if (key === undefined || endpoint.method !== "POST") return null;
  if (endpoint.idempotent === false) {
    throw new ProblemError("IDEMPOTENCY_KEY_INVALID", "this call takes no Idempotency-Key", {
      next: "leave the header out: the answer holds a secret, or nothing durable changes",
    });
  }
  if (typeof key !== "string" || !KEY.test(key)) {
    throw new ProblemError(
      "IDEMPOTENCY_KEY_INVALID",
      "Idempotency-Key must be 1 to 128 printable ASCII characters without spaces",
      { next: "send a UUID" },
    );
  }
  const sent = `${request.url}\n${request.text}`;
  return { key, endpoint: `${endpoint.method} ${endpoint.path}`, hash: hash("sha256", sent) };
}

interface CallParts {
  readonly caller: Principal | null;
  readonly stopping: AbortSignal;
  readonly response: ServerResponse;
}

/**
 * The input of a handler: the parsed parts with who calls. Handlers spread it, so that everything is its own property;
 * `signal` is made only for those that look at it.
 */
export function callOf(
  endpoint: Endpoint,
  request: FastifyRequest,
  { caller, stopping, response }: CallParts,
): Parts & CallContext {
  const parts = parseParts(endpoint, request);
  let controller: AbortController | undefined;
  // Each part by its name: a spread copy with further properties costs ten times as much.
  return {
    params: parts.params,
    query: parts.query,
    body: parts.body,
    idempotency: idempotencyOf(endpoint, request),
    // The types of public handlers do not have it.
    principal: caller as Principal,
    get signal() {
      controller ??= abortedBy(response, stopping);
      return controller.signal;
    },
  };
}

/** Fires when the client goes away before it has its answer, or when the server stops. */
function abortedBy(response: ServerResponse, stopping: AbortSignal): AbortController {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (response.destroyed || stopping.aborted) abort();
  // The response closes when it has been sent, too: so nothing stays behind on a connection that is used again.
  response.once("close", () => {
    stopping.removeEventListener("abort", abort);
    if (!response.writableFinished) abort();
  });
  stopping.addEventListener("abort", abort);
  return controller;
}
