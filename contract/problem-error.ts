/** Every problem code of the wire with its HTTP status. A code is never reused for another meaning. */
export const PROBLEMS = {
  BAD_REQUEST: 400,
  IDEMPOTENCY_KEY_INVALID: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  AGENT_NOT_FOUND: 404,
  CONFLICT: 409,
  NAME_TAKEN: 409,
  THREAD_TAKEN: 409,
  AGENT_RETIRED: 409,
  CONTACT_REQUIRED: 403,
  LEASE_HELD: 409,
  RESERVATION_CONFLICT: 409,
  WAIT_CYCLE: 409,
  NODE_SESSION_CONFLICT: 409,
  GONE: 410,
  LEASE_NOT_HELD: 412,
  ATTEMPT_SUPERSEDED: 412,
  PAYLOAD_TOO_LARGE: 413,
  URI_TOO_LONG: 414,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UNPROCESSABLE: 422,
  SECRET_REFUSED: 422,
  IDEMPOTENCY_MISMATCH: 422,
  PROTOCOL_UNSUPPORTED: 426,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** The wire form of a problem; `next` is the call or command that would help. */
export interface ProblemBody {
  code: string;
  message: string;
  details: Record<string, unknown>[];
  next?: string | undefined;
  retryAfterMs?: number | undefined;
}

export interface ProblemOptions {
  readonly details?: readonly Record<string, unknown>[];
  readonly next?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** An expected refusal with a code of the wire; the only error class that crosses a module border on purpose. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly details: readonly Record<string, unknown>[];
  readonly next: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ProblemCode, message: string, options: ProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ProblemError";
    this.code = code;
    this.status = PROBLEMS[code];
    this.details = options.details ?? [];
    this.next = options.next;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The wire form. */
  toProblem(): ProblemBody {
    return {
      code: this.code,
      message: this.message,
      details: [...this.details],
      ...(this.next === undefined ? {} : { next: this.next }),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    };
  }
}
