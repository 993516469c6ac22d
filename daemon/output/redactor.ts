import { formsOf, KNOWN_FORMATS, TOKEN_RUN } from "./secrets.ts";

const MASK = "[redacted]";
/** A longer run of token characters is cut for the search; a secret found in it stays masked to the end of the run. */
const LONGEST_RUN = 8_192;

interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Masks secrets in text that comes in pieces. Nothing that may be the start of a secret leaves before it is known what
 * follows, so a secret cut at any place is found.
 */
export class Redactor {
  private readonly forms: readonly string[];
  private readonly hold: number;
  private held = "";
  /** How many characters at the start of `held` belong to a secret whose mask has been written. */
  private masked = 0;
  /** The mask goes on for as long as token characters follow. */
  private inRun = false;

  constructor(secrets: readonly string[]) {
    this.forms = secrets.flatMap(formsOf);
    this.hold = Math.max(0, ...this.forms.map((form) => form.length - 1));
  }

  push(text: string): string {
    this.held += text;
    const run = Math.min(trailingRun(this.held), LONGEST_RUN);
    return this.emit(Math.max(0, this.held.length - Math.max(this.hold, run)));
  }

  /** The end of the text: gives what was held back. */
  end(): string {
    return this.emit(this.held.length);
  }

  private emit(until: number): string {
    if (until === 0) return "";
    const { held } = this;
    const spans = merge([...this.carried(), ...this.found()]);
    let out = "";
    let at = 0;
    for (const { from, to } of spans) {
      if (from >= until) break;
      out += held.slice(at, from);
      if (from > 0 || this.masked === 0) out += MASK;
      at = Math.min(to, until);
    }
    out += held.slice(at, until);
    const last = spans.find(({ from, to }) => from < until && to > until);
    this.inRun = this.runsOn(spans, until);
    this.masked = last === undefined ? 0 : last.to - until;
    this.held = held.slice(until);
    return out;
  }

  /** A masked run whose end has not been seen when the text is cut inside or right after it. */
  private runsOn(spans: readonly Span[], until: number): boolean {
    const end = spans.at(-1);
    return (
      end !== undefined &&
      end.from < until &&
      end.to === this.held.length &&
      trailingRun(this.held) >= LONGEST_RUN
    );
  }

  private carried(): Span[] {
    if (this.masked === 0 && !this.inRun) return [];
    const run = this.inRun ? leadingRun(this.held, this.masked) : this.masked;
    return run > 0 ? [{ from: 0, to: run }] : [];
  }

  private found(): Span[] {
    const spans: Span[] = [];
    for (const form of this.forms) {
      for (let at = this.held.indexOf(form); at >= 0; at = this.held.indexOf(form, at + 1))
        spans.push({ from: at, to: at + form.length });
    }
    for (const match of this.held.matchAll(KNOWN_FORMATS))
      spans.push({ from: match.index, to: match.index + match[0].length });
    return spans;
  }
}

function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && span.from <= last.to)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
    else merged.push(span);
  }
  return merged;
}

const isTokenChar = (char: string | undefined): boolean =>
  char !== undefined && /[A-Za-z0-9_.~+/=-]/.test(char);

function trailingRun(text: string): number {
  let length = 0;
  while (length < LONGEST_RUN && isTokenChar(text[text.length - 1 - length])) length += 1;
  return length;
}

function leadingRun(text: string, from: number): number {
  TOKEN_RUN.lastIndex = from;
  const match = TOKEN_RUN.exec(text);
  TOKEN_RUN.lastIndex = 0;
  return match !== null && match.index === from ? from + match[0].length : from;
}
