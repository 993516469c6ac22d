import type { LoggedEvent } from "../storage/log.ts";
import { nextChain, openLine, sumFits } from "./chain.ts";
import { FaultFound } from "./fault.ts";

/** Where a check of the journal has come to. */
export interface Place {
  readonly seq: number;
  readonly chain: string;
}

export interface CheckedSegment extends Place {
  readonly events: readonly LoggedEvent[];
}

const NAME = /\/(\d+)-(\d+)\.jsonl$/;

/**
 * Checks that a segment continues the journal at `before`: every line unchanged, in order, none missing.
 * @throws FaultFound with file and line
 */
export function checkSegment(file: string, content: string, before: Place): CheckedSegment {
  const events: LoggedEvent[] = [];
  let { seq, chain } = before;
  const lines = content.split("\n");
  if (lines.pop() !== "")
    throw new FaultFound("the last line is cut off", { file, line: lines.length + 1 });
  for (const [at, line] of lines.entries()) {
    const where = { file, line: at + 1 };
    const opened = openLine(line);
    const event = opened === undefined ? undefined : parseEvent(opened.text);
    if (opened === undefined || event === undefined)
      throw new FaultFound("this is not a line of the archive", where);
    refuseGap(event, seq, where);
    chain = nextChain(chain, opened.text);
    if (!sumFits(opened.sum, chain)) throw new FaultFound("the line was changed", where);
    seq = event.seq;
    events.push(event);
  }
  const [, from, to] = NAME.exec(file) ?? [];
  if (Number(from) !== events[0]?.seq || Number(to) !== seq)
    throw new FaultFound("the file's name does not say what it holds", { file });
  return { events, seq, chain };
}

/** Places leave a gap only where a restored server goes on. */
function refuseGap(
  event: LoggedEvent,
  last: number,
  where: { readonly file: string; readonly line: number },
): void {
  if (event.seq === last + 1) return;
  if (event.seq > last && event.type === "server.restored") return;
  const problem =
    event.seq > last
      ? `events ${last + 1} to ${event.seq - 1} are missing before event ${event.seq}`
      : `event ${event.seq} comes after event ${last}`;
  throw new FaultFound(problem, where);
}

function parseEvent(text: string): LoggedEvent | undefined {
  try {
    const event = JSON.parse(text) as Partial<LoggedEvent>;
    const whole = typeof event.seq === "number" && typeof event.type === "string";
    return whole ? (event as LoggedEvent) : undefined;
  } catch {
    return undefined;
  }
}
