import { automatonOf, type Alternative, type FilePattern } from "../../contract/pattern/pattern.ts";
import { ProblemError } from "../../contract/problem.ts";
import { textBelow } from "./below.ts";
import { commonText } from "./product.ts";

/** How much work may still be done, in steps of less than a microsecond. */
export interface Budget {
  steps: number;
}

/** For one pair: ordinary patterns need less than a thousand. */
const PAIR_STEPS = 200_000;
const CALL_STEPS = 3_000_000;

/** The work that one call may cause. */
export const callBudget = (): Budget => ({ steps: CALL_STEPS });

/**
 * A path that both patterns cover, or null if there is none. Exact and symmetric in its answer. Both are of one
 * repository, so either both ignore case or none does.
 * @throws ProblemError UNPROCESSABLE, naming both, if deciding would take too much work
 */
export function commonPath(
  a: FilePattern,
  b: FilePattern,
  budget: Budget = callBudget(),
): string | null {
  const pair = { steps: Math.min(PAIR_STEPS, budget.steps) };
  const before = pair.steps;
  const witness = firstMeeting(a, b, pair);
  budget.steps -= before - pair.steps;
  if (witness === undefined) throw tooComplex(a, b);
  return witness;
}

function firstMeeting(a: FilePattern, b: FilePattern, budget: Budget): string | null | undefined {
  for (const one of a.alternatives) {
    for (const other of b.alternatives) {
      const witness = meet(one, other, budget);
      if (witness !== null) return witness;
    }
  }
  return null;
}

function meet(a: Alternative, b: Alternative, budget: Budget): string | null | undefined {
  if (!a.prefix.startsWith(b.prefix) && !b.prefix.startsWith(a.prefix)) return null;
  // Of two plain paths that passed this test, one lies above the other, which is below itself.
  if (a.plain && b.plain) return a.text.length > b.text.length ? a.text : b.text;
  if (a.plain) return textBelow(a.text, automatonOf(b), budget);
  if (b.plain) return textBelow(b.text, automatonOf(a), budget);
  const [endOfA, endOfB] = [literalEnd(a.text), literalEnd(b.text)];
  if (!endOfA.endsWith(endOfB) && !endOfB.endsWith(endOfA)) return null;
  return commonText(automatonOf(a), automatonOf(b), { budget });
}

/**
 * What every path of a pattern ends with: the text behind the last wildcard, class or escape. A slash behind `**` may
 * stand for nothing; without `*` and `?` the text is also taken literally, with all that lies below.
 */
function literalEnd(text: string): string {
  if (!/[*?]/.test(text)) return "";
  const end = text.slice(text.search(/[^*?\]\\]*$/));
  return end.startsWith("/") ? end.slice(1) : end;
}

const tooComplex = (a: FilePattern, b: FilePattern): ProblemError =>
  new ProblemError(
    "UNPROCESSABLE",
    `whether ${brief(a.text)} and ${brief(b.text)} meet is too much work to decide`,
    {
      details: [{ pattern: brief(a.text) }, { pattern: brief(b.text) }],
      next: "use shorter patterns with fewer wildcards",
    },
  );

const brief = (text: string): string =>
  JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
