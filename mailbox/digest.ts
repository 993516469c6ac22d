/** A message as a digest reads it. */
export interface DigestSource {
  readonly id: string;
  readonly from: string;
  readonly body: string;
}

interface Said {
  readonly message: string;
  readonly from: string;
  readonly text: string;
}

/** What a thread comes to. */
export interface Digest {
  readonly decisions: Said[];
  readonly open: Said[];
  readonly done: Said[];
  readonly mentions: { agent: string; count: number }[];
  readonly links: string[];
}

const MAX_ITEMS = 20;
const MAX_TEXT = 200;
const DECISION = /^\s*(?:[-*]\s+)?(?:\*\*)?DECISION(?:\*\*)?\s*:(?:\*\*)?\s*(.+)$/i;
const OPEN = /^\s*(?:[-*]\s+\[ \]\s+(.+)|(?:[-*]\s+)?((?:TODO|ACTION|BLOCKED)\b.+))$/;
const DONE = /^\s*[-*]\s+\[[xX]\]\s+(.+)$/;
const MENTION = /(?<![\w.@/-])@([A-Za-z0-9][A-Za-z0-9._-]{0,63})/g;
const LINK = /\b(?:sweep|cell|run|lease):[A-Za-z0-9][A-Za-z0-9_-]{3,127}/g;
/** A line that begins or ends a block of code: its fence, and what follows, which with more ` is code within the line. */
const FENCE = /^\s*(`{3,}(?=[^`]*$)|~{3,})(.*)$/;

/** Picks decisions, tasks, mentions and links out of messages, newest first; code blocks say nothing. */
export function digest(newestFirst: readonly DigestSource[]): Digest {
  const found: Digest = { decisions: [], open: [], done: [], mentions: [], links: [] };
  const mentions = new Map<string, number>();
  const links = new Set<string>();
  for (const { id, from, body } of newestFirst) {
    for (const line of prose(body)) {
      take(found, line, { message: id, from });
      for (const [, name = ""] of line.matchAll(MENTION)) {
        const agent = name.replace(/[._-]+$/, "");
        mentions.set(agent, (mentions.get(agent) ?? 0) + 1);
      }
      for (const [link] of line.matchAll(LINK)) links.add(link);
    }
  }
  const counted = [...mentions].map(([agent, count]) => ({ agent, count }));
  found.mentions.push(...counted.toSorted((a, b) => b.count - a.count).slice(0, MAX_ITEMS));
  found.links.push(...[...links].slice(0, MAX_ITEMS));
  return found;
}

function take(found: Digest, line: string, by: Pick<Said, "message" | "from">): void {
  const put = (list: Said[], text: string | undefined): boolean => {
    if (text === undefined) return false;
    if (list.length < MAX_ITEMS) list.push({ ...by, text: short(text) });
    return true;
  };
  if (put(found.decisions, DECISION.exec(line)?.[1])) return;
  if (put(found.done, DONE.exec(line)?.[1])) return;
  const open = OPEN.exec(line);
  put(found.open, open?.[1] ?? open?.[2]);
}

function* prose(body: string): Generator<string> {
  let opened: string | null = null;
  for (const line of body.split("\n")) {
    const [, fence, rest = ""] = FENCE.exec(line) ?? [];
    if (opened !== null) {
      // Only a fence of the same kind, at least as long and with nothing behind it, ends the block.
      if (fence?.startsWith(opened) === true && rest.trim() === "") opened = null;
    } else if (fence !== undefined) opened = fence;
    else if (!line.startsWith(">")) yield line.trimEnd();
  }
}

function short(text: string): string {
  const trimmed = text.trim();
  if (trimmed.length <= MAX_TEXT) return trimmed;
  // A cut through a surrogate pair would leave half a character.
  return `${trimmed.slice(0, MAX_TEXT).replace(/\p{Surrogate}$/u, "")}…`;
}
