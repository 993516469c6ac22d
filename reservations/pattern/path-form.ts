import { DOT, SLASH } from "../../contract/pattern/byte-set.ts";

/**
 * The form that every path of a repository has, as a deterministic automaton: segments that are not empty, `.` or `..`,
 * joined by single slashes. Patterns may accept other texts; two patterns overlap only on one of this form.
 */
export const PathForm = { atStart: 0, dot: 1, dotDot: 2, inSegment: 3 } as const;

/** How many states there are. */
export const PATH_FORMS = 4;

/** The state after one more byte, or -1 if no path goes on like this. */
export function nextForm(form: number, byte: number): number {
  if (byte === SLASH) return form === PathForm.inSegment ? PathForm.atStart : -1;
  if (byte === DOT) return form === PathForm.inSegment ? form : form + 1;
  return PathForm.inSegment;
}

export const isPath = (form: number): boolean => form === PathForm.inSegment;
