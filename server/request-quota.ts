import { Transform } from "node:stream";
import type { FastifyRequest, RequestPayload } from "fastify";
import { ProblemError } from "../contract/problem.ts";

const WINDOW_MS = 60_000;

/** Whom a request is counted for: the caller, or the address of one that needs no token. */
export const payerOf = ({ caller, ip }: FastifyRequest): string =>
  caller?.principal.id ?? `address ${ip}`;

/** Counts the body of a request; the stream to read it from instead. @throws ProblemError RATE_LIMITED */
type Charge = (request: FastifyRequest, body: RequestPayload) => RequestPayload;

/**
 * Refuses requests whose body would bring its payer over so many bytes in a minute. A body that does not say its length
 * is counted as it comes in.
 * @param now milliseconds that only rise
 */
export function byteQuota(max: number, now: () => number = () => performance.now()): Charge {
  // All windows end together, so that nothing has to be kept or cleaned for each payer.
  let counts = new Map<string, number>();
  let endsAt = now() + WINDOW_MS;
  const add = (payer: string, bytes: number): void => {
    const count = (counts.get(payer) ?? 0) + bytes;
    if (count > max) throw tooMuch(max, endsAt - now());
    counts.set(payer, count);
  };
  const counted = (payer: string): Transform =>
    new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        try {
          add(payer, chunk.length);
          next(null, chunk);
        } catch (error) {
          next(error as Error);
        }
      },
    });
  return (request, body) => {
    const { "content-length": length, "transfer-encoding": chunked } = request.headers;
    if (length === undefined && chunked === undefined) return body;
    if (now() >= endsAt) {
      counts = new Map();
      endsAt = now() + WINDOW_MS;
    }
    const payer = payerOf(request);
    // Something is counted at once also of a body of unknown length, so that at the limit none is read.
    add(payer, length === undefined ? 1 : Number(length));
    if (length !== undefined) return body;
    const through = counted(payer);
    body.once("error", (error) => through.destroy(error));
    return body.pipe(through);
  };
}

const tooMuch = (max: number, retryAfterMs: number): ProblemError =>
  new ProblemError("RATE_LIMITED", `more than ${max} bytes of requests in a minute`, {
    retryAfterMs: Math.max(retryAfterMs, 1),
    next: "wait as long as Retry-After says, then repeat the call",
  });
