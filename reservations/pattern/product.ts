import type { Automaton, State } from "../../contract/pattern/automaton.ts";
import { type ByteSet, DOT, SLASH } from "../../contract/pattern/byte-set.ts";
import { isPath, nextForm, PATH_FORMS } from "./path-form.ts";

/** How a place of the product was reached: by `byte` from `from`. */
interface Arrival {
  readonly from: number;
  readonly byte: number;
}

interface Place {
  readonly a: State;
  readonly b: State;
  /** The state of the form of a path, see `PathForm`. */
  readonly form: number;
}

interface Walk {
  /** Is used up by one for each pair of moves; undefined is answered when it runs out. */
  readonly budget: { steps: number };
  /** The states of `a` to start from; its first one if not given. */
  readonly starts?: Iterable<number>;
}

/** The shortest path that both automata accept, or null. Walks the product of both with the form of a path, breadth first. */
export function commonText(
  a: Automaton,
  b: Automaton,
  { budget, starts = [0] }: Walk,
): string | null | undefined {
  const arrivals = new Map<number, Arrival>();
  for (const start of starts) arrivals.set(start * b.length * PATH_FORMS, { from: -1, byte: 0 });
  // A map hands out what is added to it during the walk, in that order.
  for (const [at] of arrivals) {
    const place = placeOf(a, b, at);
    if (place.a.accepts && place.b.accepts && isPath(place.form)) return textTo(at, arrivals);
    budget.steps -= place.a.moves.length * place.b.moves.length;
    if (budget.steps < 0) return undefined;
    for (const { byte, to, alsoTo, form } of stepsFrom(place)) {
      const reached = (to * b.length + alsoTo) * PATH_FORMS + form;
      if (!arrivals.has(reached)) arrivals.set(reached, { from: at, byte });
    }
  }
  return null;
}

function placeOf(a: Automaton, b: Automaton, at: number): Place {
  const form = at % PATH_FORMS;
  const rest = (at - form) / PATH_FORMS;
  const one = a[Math.floor(rest / b.length)];
  const other = b[rest % b.length];
  if (one === undefined || other === undefined) throw new RangeError(`no place ${at}`);
  return { a: one, b: other, form };
}

interface Step {
  readonly byte: number;
  readonly to: number;
  readonly alsoTo: number;
  readonly form: number;
}

function stepsFrom({ a, b, form }: Place): Step[] {
  const steps: Step[] = [];
  for (const { on, to } of a.moves) {
    for (const { on: alsoOn, to: alsoTo } of b.moves) {
      for (const byte of commonBytes(on, alsoOn)) {
        const next = nextForm(form, byte);
        if (next !== -1) steps.push({ byte, to, alsoTo, form: next });
      }
    }
  }
  return steps;
}

const NONE: readonly number[] = [];

/** One byte of each sort that the form of a path tells apart. */
function commonBytes(a: ByteSet, b: ByteSet): readonly number[] {
  if (a.single !== -1) return b.has(a.single) ? [a.single] : NONE;
  if (b.single !== -1) return a.has(b.single) ? [b.single] : NONE;
  const bytes = [SLASH, DOT].filter((byte) => a.has(byte) && b.has(byte));
  const ordinary = a.ordinaryIn(b);
  return ordinary === -1 ? bytes : [ordinary, ...bytes];
}

function textTo(place: number, arrivals: ReadonlyMap<number, Arrival>): string {
  const bytes: number[] = [];
  for (let at = arrivals.get(place); at !== undefined && at.from !== -1; at = arrivals.get(at.from))
    bytes.push(at.byte);
  return new TextDecoder().decode(Uint8Array.from(bytes.toReversed()));
}
