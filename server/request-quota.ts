import { Transform } from "node:stream";
import type { FastifyRequest, RequestPayload } from "fastify";
import { ProblemError } from "../contract/problem.ts";
import { bodyThrough } from "./body-through.ts";

const WINDOW_MS = 60_000;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answered to everybody at any rate: nobody is charged for it. */
    uncounted?: true;
  }
}

/** Whom a request is counted for: the caller, or the address of one that needs no token. */
const payerOf = ({ caller, ip }: FastifyRequest): string => caller?.principal.id ?? `address ${ip}`;

/** What is allowed in a minute. */
export interface RequestLimits {
  /** Requests of one principal. */
  readonly requests: number;
  /** Requests of one address without a token. */
  readonly strangers: number;
  /** Bytes of the requests of either. */
  readonly bytes: number;
}

/** Counts a request and its body; the stream to read it from instead. @throws ProblemError RATE_LIMITED */
type Charge = (request: FastifyRequest, body: RequestPayload) => RequestPayload;

interface Count {
  requests: number;
  bytes: number;
}

/**
 * Refuses the requests of a payer beyond its limits in a minute. A body that does not say its length is counted as it
 * comes in.
 * @param now milliseconds that only rise
 */
export function requestQuota(
  limits: RequestLimits,
  now: () => number = () => performance.now(),
): Charge {
  // All windows end together, so that nothing has to be kept or cleaned for each payer.
  let counts = new Map<string, Count>();
  let endsAt = now() + WINDOW_MS;
  const countOf = (payer: string): Count => {
    if (now() >= endsAt) {
      counts = new Map();
      endsAt = now() + WINDOW_MS;
    }
    const known = counts.get(payer) ?? { requests: 0, bytes: 0 };
    counts.set(payer, known);
    return known;
  };
  const addBytes = (count: Count, bytes: number): void => {
    if (count.bytes + bytes > limits.bytes)
      throw tooMuch(`${limits.bytes} bytes of requests`, endsAt - now());
    count.bytes += bytes;
  };
  const counted = (payer: string): Transform =>
    new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        try {
          addBytes(countOf(payer), chunk.length);
          next(null, chunk);
        } catch (error) {
          next(error as Error);
        }
      },
    });
  return (request, body) => {
    if (request.routeOptions.config.uncounted === true) return body;
    const payer = payerOf(request);
    const count = countOf(payer);
    const max = request.caller === null ? limits.strangers : limits.requests;
    if (count.requests >= max) throw tooMuch(`${max} requests`, endsAt - now());
    count.requests += 1;
    const { "content-length": length, "transfer-encoding": chunked } = request.headers;
    if (length === undefined && chunked === undefined) return body;
    // Something is counted at once also of a body of unknown length, so that at the limit none is read.
    addBytes(count, length === undefined ? 1 : Number(length));
    if (length !== undefined) return body;
    return bodyThrough(body, counted(payer));
  };
}

const tooMuch = (limit: string, retryAfterMs: number): ProblemError =>
  new ProblemError("RATE_LIMITED", `more than ${limit} in a minute`, {
    retryAfterMs: Math.max(Math.ceil(retryAfterMs), 1),
    next: "wait as long as Retry-After says, then repeat the call",
  });
