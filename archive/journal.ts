import type { StoredEvent } from "../storage/log.ts";
import { nextChain, sealLine, storedText } from "./chain.ts";
import { minuteOf } from "./plan.ts";

/** A file of consecutive events. */
export interface Segment {
  readonly text: string;
  /** After its last event. */
  readonly chain: string;
}

export const segmentFolder = (at: number): string => `segments/${minuteOf(at)}`;
export const segmentName = (from: number, to: number): string => `${from}-${to}.jsonl`;

/** Continues the chain over events, one line each. */
export function makeSegment(events: readonly StoredEvent[], before: string): Segment {
  let chain = before;
  let text = "";
  for (const event of events) {
    const entry = storedText(event);
    chain = nextChain(chain, entry);
    text += `${sealLine(entry, chain)}\n`;
  }
  return { text, chain };
}
