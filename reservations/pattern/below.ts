import { type Automaton, compile } from "../../contract/pattern/automaton.ts";
import { SLASH } from "../../contract/pattern/byte-set.ts";
import { commonText } from "./product.ts";

const ANYTHING = compile("**");

/**
 * The shortest path that an automaton accepts and that is `path` or lies below it, or null. Follows the automaton along
 * the path instead of walking a product.
 * @param budget is used up by one for each move looked at; undefined is answered when it runs out
 */
export function textBelow(
  path: string,
  automaton: Automaton,
  budget: { steps: number },
): string | null | undefined {
  let states: ReadonlySet<number> = new Set([0]);
  for (const byte of new TextEncoder().encode(path)) {
    states = after(states, byte, { automaton, budget });
    if (budget.steps < 0) return undefined;
    if (states.size === 0) return null;
  }
  for (const state of states) if (automaton[state]?.accepts) return path;
  const starts = after(states, SLASH, { automaton, budget });
  const rest = commonText(automaton, ANYTHING, { budget, starts });
  return typeof rest === "string" ? `${path}/${rest}` : rest;
}

function after(
  states: ReadonlySet<number>,
  byte: number,
  { automaton, budget }: { readonly automaton: Automaton; readonly budget: { steps: number } },
): Set<number> {
  const next = new Set<number>();
  for (const state of states) {
    const moves = automaton[state]?.moves ?? [];
    budget.steps -= moves.length;
    for (const { on, to } of moves) if (on.has(byte)) next.add(to);
  }
  return next;
}
