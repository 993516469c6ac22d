import { type Automaton, compile } from "./automaton.ts";
import { expandBraces } from "./braces.ts";
import { foldCase, foldPattern } from "./fold.ts";
import { isPlain, normalise } from "./normalise.ts";

/** One alternative of a pattern, after the expansion of its braces. */
export interface Alternative {
  /** Normalised, folded if it ignores case; what git gets behind `:(glob)`. */
  readonly text: string;
  /** Without wildcards: covers itself and everything below it. */
  readonly plain: boolean;
  /** The directories that each of its paths starts with, ending in a slash; for a plain path itself; or empty. */
  readonly prefix: string;
  /** Paths are to be folded before they are compared. */
  readonly ignoreCase: boolean;
}

/** A file pattern as leases hold it: a git pathspec with glob magic, with braces. */
export interface FilePattern {
  /** Its one form: normalised if it has no braces; in the case that was given. */
  readonly text: string;
  readonly alternatives: readonly Alternative[];
}

const CACHED = 20_000;

const newCaches = () => ({
  patterns: new Map<string, FilePattern>(),
  automata: new Map<string, Automaton>(),
});
const exact = newCaches();
const folded = newCaches();

/**
 * Reads a pattern, which starts at the root of its repository.
 * @throws ProblemError UNPROCESSABLE if it is refused; the message says why and what to write instead
 */
export const parsePattern = (text: string, ignoreCase = false): FilePattern =>
  cached((ignoreCase ? folded : exact).patterns, text, () => parse(text, ignoreCase));

export const automatonOf = ({ text, ignoreCase }: Alternative): Automaton =>
  cached((ignoreCase ? folded : exact).automata, text, () => compile(text, ignoreCase));

/** Whether the pattern covers a path of the repository. */
export function covers(pattern: FilePattern, path: string): boolean {
  const normal = path.normalize("NFC");
  return pattern.alternatives.some((one) => {
    const compared = one.ignoreCase ? foldCase(normal) : normal;
    if (!one.plain) return accepts(automatonOf(one), compared);
    return compared === one.text || compared.startsWith(`${one.text}/`);
  });
}

/** Whether the pattern covers some path below a folder; the empty one is the root. */
export function reachesBelow(pattern: FilePattern, folder: string): boolean {
  const start = folder === "" ? "" : `${folder.normalize("NFC")}/`;
  return pattern.alternatives.some((one) => {
    const compared = one.ignoreCase ? foldCase(start) : start;
    // Of what a pattern may begin with, each state leads on to a path that it accepts.
    if (!one.plain) return statesAfter(automatonOf(one), compared).size > 0;
    return one.text.startsWith(compared) || compared.startsWith(`${one.text}/`);
  });
}

function parse(given: string, ignoreCase: boolean): FilePattern {
  const texts = [...new Set(expandBraces(given).map(normalise))];
  const compared = new Set(ignoreCase ? texts.map(foldPattern) : texts);
  const text = texts.length === 1 ? (texts[0] ?? given) : given;
  return {
    text: text.normalize("NFC"),
    alternatives: [...compared].map((one) => alternative(one, ignoreCase)),
  };
}

function alternative(text: string, ignoreCase: boolean): Alternative {
  const plain = isPlain(text);
  const magic = text.search(/[*?[\\]/);
  const prefix = plain ? `${text}/` : text.slice(0, text.lastIndexOf("/", magic) + 1);
  return { text, plain, prefix, ignoreCase };
}

const accepts = (automaton: Automaton, path: string): boolean =>
  [...statesAfter(automaton, path)].some((state) => automaton[state]?.accepts);

/** Where an automaton may be behind the beginning of a path. */
function statesAfter(automaton: Automaton, beginning: string): Set<number> {
  let states = new Set([0]);
  for (const byte of new TextEncoder().encode(beginning)) {
    const next = new Set<number>();
    for (const state of states) {
      for (const { on, to } of automaton[state]?.moves ?? []) if (on.has(byte)) next.add(to);
    }
    states = next;
  }
  return states;
}

/** Keeps the newest; what is asked for again counts as new. */
function cached<V>(cache: Map<string, V>, key: string, make: () => V): V {
  const known = cache.get(key);
  const value = known ?? make();
  cache.delete(key);
  cache.set(key, value);
  if (cache.size > CACHED) {
    const [oldest] = cache.keys();
    if (oldest !== undefined) cache.delete(oldest);
  }
  return value;
}
