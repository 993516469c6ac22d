import { ANY, type ByteSet, NOT_SLASH, only, SLASH } from "./byte-set.ts";
import { parseClass } from "./char-class.ts";
import { foldCase } from "./fold.ts";
import { classEnd } from "./normalise.ts";

/** One byte of `on` leads to the state `to`. */
export interface Move {
  readonly on: ByteSet;
  readonly to: number;
}

export interface State {
  readonly moves: readonly Move[];
  readonly accepts: boolean;
}

/** A finite automaton over the bytes of a path; it starts in state 0. */
export type Automaton = readonly State[];

interface Draft {
  readonly moves: Move[];
  /** States that are entered together with this one. */
  readonly also: number[];
  accepts: boolean;
}

/**
 * Builds the automaton of a normalised pattern without braces, which accepts the paths that git matches with
 * `:(glob)<pattern>`. Git first compares the text literally, so that `app/[id]/page.tsx` covers the file of that name;
 * here that holds only without * and ?: otherwise any two patterns for different suffixes would meet below a directory
 * whose name is the first of them.
 * @param ignoreCase the pattern is folded, and so are the paths that the automaton is asked about
 */
export function compile(text: string, ignoreCase = false): Automaton {
  const builder = new Builder();
  const literal = ignoreCase ? foldCase(text) : text;
  if (!/[*?]/.test(text)) builder.tree(builder.addWith(0), literal);
  const magic = text.search(/[*?[\\]/);
  if (magic !== -1) wildcards(builder, builder.addWith(0), { text, magic, ignoreCase });
  return builder.finish();
}

interface Source {
  readonly text: string;
  /** Where the first wildcard or escape stands. */
  readonly magic: number;
  readonly ignoreCase: boolean;
}

function wildcards(builder: Builder, start: number, source: Source): void {
  const { text, ignoreCase } = source;
  let at = start;
  for (let i = 0; i < text.length;) {
    const char = text[i];
    if (char === "*") {
      const end = starsEnd(text, i);
      at = end - i > 1 && isDeep(source, i, end) ? deep(builder, at, text[end]) : star(builder, at);
      i = end;
    } else if (char === "[") {
      const end = classEnd(text, i);
      at = builder.step(at, parseClass(text.slice(i + 1, end), { pattern: text, ignoreCase }));
      i = end + 1;
    } else if (char === "?") {
      at = builder.step(at, NOT_SLASH);
      i += 1;
    } else {
      if (char === "\\") i += 1;
      const letter = String.fromCodePoint(text.codePointAt(i) ?? 0);
      at = builder.text(at, letter);
      i += letter.length;
    }
  }
  builder.accept(at);
}

function starsEnd(text: string, start: number): number {
  let end = start;
  while (text[end] === "*") end += 1;
  return end;
}

/**
 * `**` crosses slashes as a whole segment. Git also takes it for one when everything before it is literal (`a**` covers
 * `ab/c`), because it compares that part by itself.
 */
function isDeep({ text, magic }: Source, start: number, end: number): boolean {
  const opens = start === magic || text[start - 1] === "/";
  return opens && (end === text.length || text[end] === "/");
}

function star(builder: Builder, at: number): number {
  const loop = builder.addWith(at);
  builder.loop(loop, NOT_SLASH);
  return loop;
}

/** `**`: any bytes; with a slash behind it also nothing, that slash included. */
function deep(builder: Builder, at: number, next: string | undefined): number {
  const loop = builder.addWith(at);
  builder.loop(loop, ANY);
  if (next !== "/") return loop;
  const slash = builder.addWith(loop);
  builder.skipSlash(at, slash);
  return slash;
}

class Builder {
  private readonly drafts: Draft[] = [{ moves: [], also: [], accepts: false }];
  private readonly skips: [from: number, slash: number][] = [];

  /** A new state that is entered together with `from`. */
  addWith(from: number): number {
    const state = this.add();
    this.draft(from).also.push(state);
    return state;
  }

  step(from: number, on: ByteSet): number {
    const to = this.add();
    this.draft(from).moves.push({ on, to });
    return to;
  }

  loop(at: number, on: ByteSet): void {
    this.draft(at).moves.push({ on, to: at });
  }

  text(from: number, text: string): number {
    let at = from;
    for (const byte of new TextEncoder().encode(text)) at = this.step(at, only(byte));
    return at;
  }

  /** The text itself and everything below it. */
  tree(from: number, text: string): void {
    const end = this.text(from, text);
    this.accept(end);
    const below = this.step(end, only(SLASH));
    this.loop(below, ANY);
    this.accept(below);
  }

  accept(at: number): void {
    this.draft(at).accepts = true;
  }

  /** Lets `from` go on behind the slash that is added at `slash` next, without it. */
  skipSlash(from: number, slash: number): void {
    this.skips.push([from, slash]);
  }

  /** Removes the moves without a byte. */
  finish(): Automaton {
    for (const [from, slash] of this.skips) {
      const behind = this.draft(slash).moves[0];
      if (behind !== undefined) this.draft(from).also.push(behind.to);
    }
    return this.drafts.map((_, state) => {
      const together = this.together(state);
      return {
        moves: together.flatMap((one) => this.draft(one).moves),
        accepts: together.some((one) => this.draft(one).accepts),
      };
    });
  }

  private add(): number {
    this.drafts.push({ moves: [], also: [], accepts: false });
    return this.drafts.length - 1;
  }

  private together(state: number): number[] {
    const seen = new Set([state]);
    for (const one of seen) for (const next of this.draft(one).also) seen.add(next);
    return [...seen];
  }

  private draft(state: number): Draft {
    const draft = this.drafts[state];
    if (draft === undefined) throw new RangeError(`no state ${state}`);
    return draft;
  }
}
