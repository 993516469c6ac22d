import { type Automaton, compile } from "./automaton.ts";
import { expandBraces } from "./braces.ts";
import { isPlain, normalise } from "./normalise.ts";

/** One alternative of a pattern, after the expansion of its braces. */
export interface Alternative {
  /** Normalised; what git gets behind `:(glob)`. */
  readonly text: string;
  /** Without wildcards: covers itself and everything below it. */
  readonly plain: boolean;
  /** The directories that each of its paths starts with, ending in a slash; for a plain path itself; or empty. */
  readonly prefix: string;
}

/** A file pattern as leases hold it: a git pathspec with glob magic, with braces. */
export interface FilePattern {
  /** Its one form: normalised if it has no braces. */
  readonly text: string;
  readonly alternatives: readonly Alternative[];
}

const CACHED = 20_000;
const patterns = new Map<string, FilePattern>();
const automata = new Map<string, Automaton>();

/**
 * Reads a pattern, which starts at the root of its repository.
 * @throws ProblemError UNPROCESSABLE if it is refused; the message says why and what to write instead
 */
export const parsePattern = (text: string): FilePattern => cached(patterns, text, parse);

/** The automaton of an alternative. */
export const automatonOf = (text: string): Automaton => cached(automata, text, compile);

/** Whether the pattern covers a path of the repository. */
export function covers(pattern: FilePattern, path: string): boolean {
  const normal = path.normalize("NFC");
  return pattern.alternatives.some(({ text, plain }) =>
    plain ? normal === text || normal.startsWith(`${text}/`) : accepts(automatonOf(text), normal),
  );
}

function parse(given: string): FilePattern {
  const alternatives = [...new Set(expandBraces(given).map(normalise))].map(alternative);
  const [first] = alternatives;
  const text = alternatives.length === 1 && first !== undefined ? first.text : given;
  return { text: text.normalize("NFC"), alternatives };
}

function alternative(text: string): Alternative {
  const plain = isPlain(text);
  const magic = text.search(/[*?[\\]/);
  const prefix = plain ? `${text}/` : text.slice(0, text.lastIndexOf("/", magic) + 1);
  return { text, plain, prefix };
}

function accepts(automaton: Automaton, path: string): boolean {
  let states = new Set([0]);
  for (const byte of new TextEncoder().encode(path)) {
    const next = new Set<number>();
    for (const state of states) {
      for (const { on, to } of automaton[state]?.moves ?? []) if (on.has(byte)) next.add(to);
    }
    states = next;
  }
  return [...states].some((state) => automaton[state]?.accepts);
}

/** Keeps the newest; what is asked for again counts as new. */
function cached<V>(cache: Map<string, V>, key: string, make: (key: string) => V): V {
  const known = cache.get(key);
  const value = known ?? make(key);
  cache.delete(key);
  cache.set(key, value);
  if (cache.size > CACHED) {
    const [oldest] = cache.keys();
    if (oldest !== undefined) cache.delete(oldest);
  }
  return value;
}
