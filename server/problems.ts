import type { Socket } from "node:net";
import type { FastifyError, FastifyReply } from "fastify";
import { type ProblemCode, ProblemError } from "../contract/problem.ts";
import { OfferingRequest } from "./offers.ts";

const BY_FASTIFY_CODE: Readonly<Record<string, readonly [ProblemCode, string, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [
    "PAYLOAD_TOO_LARGE",
    "the body is larger than this call takes",
    "send less, or in several calls",
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    "UNSUPPORTED_MEDIA_TYPE",
    "this call does not take such content, or it has no content-type",
    "send JSON as content-type: application/json, the bytes of a file as application/octet-stream",
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: ["BAD_REQUEST", "the body is not JSON", "send one JSON document"],
  FST_ERR_CTP_EMPTY_JSON_BODY: [
    "BAD_REQUEST",
    "the body is empty",
    "send a JSON object, or no content-type",
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    "BAD_REQUEST",
    "the body is not as long as content-length says",
    "repeat the call",
  ],
  FST_ERR_BAD_URL: ["BAD_REQUEST", "the path is not a valid URL", "encode the path's parts"],
};

const BY_STATUS: Readonly<Record<number, ProblemCode>> = {
  401: "UNAUTHENTICATED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  413: "PAYLOAD_TOO_LARGE",
  414: "URI_TOO_LONG",
  415: "UNSUPPORTED_MEDIA_TYPE",
  429: "RATE_LIMITED",
  503: "UNAVAILABLE",
};

/** Turns whatever was thrown into the problem that the client sees; what is unexpected shows nothing of itself. */
export function toProblemError(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const { code, statusCode = 500, message } = error as Partial<FastifyError>;
  const known = BY_FASTIFY_CODE[code ?? ""];
  if (known !== undefined) return new ProblemError(known[0], known[1], { next: known[2] });
  if (error instanceof SyntaxError && statusCode === 400) {
    return new ProblemError("BAD_REQUEST", `the body is not JSON: ${message}`, {
      next: "send one JSON document",
    });
  }
  if (statusCode >= 400 && statusCode < 500)
    return new ProblemError(BY_STATUS[statusCode] ?? "BAD_REQUEST", message ?? "bad request");
  return new ProblemError("INTERNAL", "the server failed to answer; the log says why", {
    next: "repeat the call; if it fails again, look at the server's log",
    cause: error,
  });
}

/** Sends a problem body with its status and the headers that belong to it. */
export function sendProblem(reply: FastifyReply, problem: ProblemError): FastifyReply {
  void reply.code(problem.status).header("content-type", "application/json; charset=utf-8");
  if (problem.status === 401) void reply.header("www-authenticate", 'Bearer realm="gridpost"');
  if (problem.retryAfterMs !== undefined)
    void reply.header("retry-after", Math.ceil(problem.retryAfterMs / 1_000));
  letBodyIn(reply);
  const { raw } = reply.request;
  if (raw instanceof OfferingRequest && raw.upgrade) closeAfter(reply);
  return reply.send(JSON.stringify(problem.toProblem()));
}

/**
 * What is left of a body that nobody wants comes in unread: closing the connection, or leaving it be, would take the
 * answer from a client that still sends.
 */
function letBodyIn(reply: FastifyReply): void {
  const { raw } = reply.request;
  if (raw.complete) return;
  raw.unpipe();
  raw.resume();
  void reply.removeHeader("connection");
}

/** Node has handed over the socket of a request to upgrade it: it closes no more by itself, nor for a server that stops. */
function closeAfter({ raw }: FastifyReply): void {
  const { socket } = raw;
  raw.once("finish", () => socket?.destroySoon());
}

const NOT_HTTP = [
  "BAD_REQUEST",
  "this is not an HTTP request that the server reads",
  "repeat the call",
] as const;

const BROKEN: Readonly<Record<string, readonly [ProblemCode, string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    "PAYLOAD_TOO_LARGE",
    "the header of the request is too large",
    "send less than 16 KiB of headers",
  ],
  // Whoever has a slow line for a while may try again.
  ERR_HTTP_REQUEST_TIMEOUT: [
    "UNAVAILABLE",
    "the request took too long to arrive",
    "repeat the call over a faster line, or send less",
  ],
};

/** Answers what is no whole HTTP request, or has too large a header, and closes the connection. */
export function answerBrokenRequest(
  error: Error & { readonly code?: string },
  socket: Socket,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, message, next] = BROKEN[error.code ?? ""] ?? NOT_HTTP;
  const problem = new ProblemError(code, message, { next });
  const body = JSON.stringify(problem.toProblem());
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.code}\r\nconnection: close\r\n` +
      `content-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
