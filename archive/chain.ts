import { hash } from "node:crypto";
import type { LoggedEvent, StoredEvent } from "../storage/log.ts";

/** The chain before the first entry. */
export const CHAIN_START = "0".repeat(64);

const SUM_LENGTH = 16;
const SUM = /,"sum":"([0-9a-f]{16})"\}$/;

/** The chain after one more entry: each value commits to every entry before it, and to their order. */
export const nextChain = (chain: string, entry: string): string =>
  hash("sha256", `${chain}\n${entry}`);

/** One event as a line of a segment, without its sum. */
export const eventText = (event: LoggedEvent): string => {
  const { seq, id, v, type, project, actor, at, key, body } = event;
  return JSON.stringify({ seq, id, v, type, project, actor, at, key, body });
};

/** The same of a stored event: parsed, its key and body would become the same text again. */
export const storedText = (event: StoredEvent): string => {
  const { seq, id, v, type, project, actor, at, key, body } = event;
  const head = JSON.stringify({ seq, id, v, type, project, actor, at });
  return `${head.slice(0, -1)},"key":${key},"body":${body}}`;
};

/** A line of a segment: the event, and the start of the chain after it, so that a damaged line can be named. */
export const sealLine = (text: string, chain: string): string =>
  `${text.slice(0, -1)},"sum":"${chain.slice(0, SUM_LENGTH)}"}`;

/** The event's text and the sum of a sealed line; undefined if it is none. */
export function openLine(
  line: string,
): { readonly text: string; readonly sum: string } | undefined {
  const match = SUM.exec(line);
  if (match?.[1] === undefined) return undefined;
  return { text: `${line.slice(0, match.index)}}`, sum: match[1] };
}

/** Whether a sum was made from this chain. */
export const sumFits = (sum: string, chain: string): boolean => chain.startsWith(sum);
