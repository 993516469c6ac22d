const PART = /\[(\d+)-(\d+)\]|\*|[A-Za-z0-9._-]+/y;

type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "range"; readonly from: number; readonly to: number; readonly digits: number };

/** Names as `gpu-[001-512]` or `rack7-*` describe them: a range of numbers as written, one `*` for any characters. */
export interface NamePattern {
  matches(name: string): boolean;
}

/** Reads a pattern; undefined when it is malformed. */
export function parseNamePattern(pattern: string): NamePattern | undefined {
  const parts: Part[] = [];
  PART.lastIndex = 0;
  while (PART.lastIndex < pattern.length) {
    const match = PART.exec(pattern);
    const part = match === null ? undefined : toPart(match);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  // More than one `*` is never needed and would make matching slow.
  if (parts.length === 0 || parts.filter(({ kind }) => kind === "any").length > 1) return undefined;
  const regexp = new RegExp(`^${parts.map(toSource).join("")}$`);
  const ranges = parts.filter((part) => part.kind === "range");
  return {
    matches: (name) => {
      const groups = regexp.exec(name)?.slice(1);
      if (groups === undefined) return false;
      return ranges.every(({ from, to }, i) => {
        const value = Number(groups[i]);
        return from <= value && value <= to;
      });
    },
  };
}

function toPart([text, from, to]: RegExpExecArray): Part | undefined {
  if (text === "*") return { kind: "any" };
  if (from === undefined || to === undefined) return { kind: "text", text };
  if (from.length !== to.length || Number(from) > Number(to)) return undefined;
  return { kind: "range", from: Number(from), to: Number(to), digits: from.length };
}

function toSource(part: Part): string {
  if (part.kind === "any") return ".*";
  if (part.kind === "range") return `(\\d{${part.digits}})`;
  return part.text.replaceAll(/[.-]/g, String.raw`\$&`);
}
