import { ProblemError } from "../contract/problem.ts";
import type { SchemaProblem } from "../runtime/schema-problems.ts";

/** The refusal of input that does not fit its schema: the first mistake as its message, all of them as details. */
export function wrongInput(mistakes: readonly SchemaProblem[], next: string): ProblemError {
  const details = mistakes.map(({ path, message }) => ({ path: path.join("."), message }));
  const [first = { path: "", message: "wrong input" }] = details;
  const where = first.path === "" ? "" : `${first.path}: `;
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : "";
  return new ProblemError("BAD_REQUEST", `${where}${first.message}${more}`, { details, next });
}
