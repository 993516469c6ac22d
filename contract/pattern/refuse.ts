import { ProblemError } from "../problem-error.ts";

const SHOWN = 80;

/** A pattern that no lease can have: says which one, why, and what to write instead. */
export function refusePattern(pattern: string, why: string, next: string): ProblemError {
  const shown = pattern.length > SHOWN ? `${pattern.slice(0, SHOWN)}…` : pattern;
  return new ProblemError("UNPROCESSABLE", `the pattern ${JSON.stringify(shown)} ${why}`, {
    details: [{ pattern: shown, why }],
    next,
  });
}
