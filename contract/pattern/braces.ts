import { refusePattern } from "./refuse.ts";

/** The most patterns that the braces of one may stand for. */
export const MAX_ALTERNATIVES = 64;

interface Group {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly string[];
}

/**
 * Expands braces as a shell does: `{a,b{c,d}}` is `a`, `bc`, `bd`. A group without a comma and a brace without a partner
 * stand for themselves; `\{` does too.
 * @throws ProblemError UNPROCESSABLE for more than MAX_ALTERNATIVES, and for a range such as `{1..3}`
 */
export function expandBraces(pattern: string): string[] {
  const expand = (text: string): string[] => {
    const group = firstGroup(text, pattern);
    if (group === undefined) return [text];
    const before = text.slice(0, group.start);
    const after = expand(text.slice(group.end + 1));
    const middles = group.parts.flatMap(expand);
    if (middles.length * after.length > MAX_ALTERNATIVES) throw tooMany(pattern);
    return middles.flatMap((middle) => after.map((rest) => before + middle + rest));
  };
  return [...new Set(expand(pattern))];
}

function firstGroup(text: string, pattern: string): Group | undefined {
  const ends = partners(text);
  for (let start = 0; start < text.length; start += 1) {
    if (text[start] === "\\") start += 1;
    const end = text[start] === "{" ? ends.get(start) : undefined;
    if (end === undefined) continue;
    const parts = splitAtCommas(text.slice(start + 1, end));
    if (parts.length > 1) return { start, end, parts };
    if (/^(?:-?\d+|[A-Za-z])\.\.(?:-?\d+|[A-Za-z])/.test(parts[0] ?? "")) throw range(pattern);
  }
  return undefined;
}

/** The closing brace of each opening one. */
function partners(text: string): Map<number, number> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "{") open.push(i);
    else if (text[i] === "}") {
      const start = open.pop();
      if (start !== undefined) ends.set(start, i);
    }
  }
  return ends;
}

function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\") i += 1;
    else if (text[i] === "{") depth += 1;
    else if (text[i] === "}") depth -= 1;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return [...parts, text.slice(from)];
}

const tooMany = (pattern: string): Error =>
  refusePattern(
    pattern,
    `stands for more than ${MAX_ALTERNATIVES} patterns`,
    "write fewer alternatives in braces, or a wider pattern",
  );

const range = (pattern: string): Error =>
  refusePattern(pattern, "has a range in braces", "list the alternatives: {1,2,3}");
