import { ProblemError } from "../contract/problem-error.ts";
import { UnreachableError } from "../contract/transport.ts";
import { NoCredentialsError } from "../runtime/no-credentials.ts";
import { NoServerError } from "./context.ts";

/** What the command's exit code says. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  conflict: 3,
  notFound: 4,
  auth: 5,
  unreachable: 6,
  runFailed: 7,
  undecided: 8,
} as const;

const BY_STATUS: Readonly<Record<number, number>> = {
  400: EXIT.usage,
  401: EXIT.auth,
  403: EXIT.auth,
  404: EXIT.notFound,
  409: EXIT.conflict,
  410: EXIT.notFound,
  412: EXIT.conflict,
  413: EXIT.usage,
  414: EXIT.usage,
  415: EXIT.usage,
  422: EXIT.usage,
  423: EXIT.conflict,
};

/** The exit code for whatever ended a command. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ProblemError) return BY_STATUS[error.status] ?? EXIT.failure;
  if (
    error instanceof UnreachableError ||
    error instanceof NoCredentialsError ||
    error instanceof NoServerError
  )
    return EXIT.unreachable;
  return EXIT.failure;
}
