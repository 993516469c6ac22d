import { parsePattern } from "../../contract/pattern/pattern.ts";
import { commonPath } from "../../reservations/pattern/overlap.ts";
import type { LoggedEvent } from "../../storage/log.ts";

interface Held {
  readonly id: string;
  readonly holder: string;
  readonly pattern: string;
}

interface Body {
  readonly id: string;
  readonly fence: number;
  readonly holder: string;
  readonly resources: readonly { readonly pattern: string }[];
  readonly ticket: string | null;
}

/** What the log says of the leases, and where it breaks a promise. */
export interface Judgement {
  readonly broken: readonly string[];
  readonly expiries: number;
}

/** Goes through the recorded events in their order and holds them to the promises of a lease. */
export function judge(events: readonly LoggedEvent[]): Judgement {
  const broken: string[] = [];
  const held = new Map<string, Held>();
  let fence = 0;
  for (const { type, body, seq } of events) {
    const { id, holder, resources, fence: next } = body as Body;
    if (type === "lease.expired" || type === "lease.released") held.delete(id);
    if (type !== "lease.granted") continue;
    if (next <= fence) broken.push(`${seq}: fence ${next} after ${fence}`);
    fence = Math.max(fence, next);
    const granted = { id, holder, pattern: resources[0]?.pattern ?? "" };
    for (const other of held.values()) {
      if (clash(other, granted)) broken.push(`${seq}: ${holder} and ${other.holder} hold one path`);
    }
    held.set(id, granted);
  }
  const expired = events.filter(({ type }) => type === "lease.expired");
  return { broken, expiries: expired.length };
}

/** Somebody who was told to wait. */
export interface Waiter {
  readonly ticket: string;
  readonly pattern: string;
}

/** How often each was passed by a later one that wanted the same, until its own grant or the end. */
export function overtakings(events: readonly LoggedEvent[], waiters: readonly Waiter[]): number[] {
  const grants = events.flatMap(({ type, body }) => {
    const { ticket, resources } = body as Body;
    if (type !== "lease.granted" || ticket === null) return [];
    return [{ ticket, pattern: resources[0]?.pattern ?? "" }];
  });
  return waiters.map(({ ticket, pattern }) => {
    const own = grants.findIndex((grant) => grant.ticket === ticket);
    const before = own === -1 ? grants : grants.slice(0, own);
    // The ids of tickets rise with time.
    return before.filter((grant) => grant.ticket > ticket && meet(grant.pattern, pattern)).length;
  });
}

/** How many of those who were told to wait got their lease. */
export function grantsAfter(events: readonly LoggedEvent[], waiters: readonly Waiter[]): number {
  const waited = new Set(waiters.map(({ ticket }) => ticket));
  return events.filter(
    ({ type, body }) => type === "lease.granted" && waited.has((body as Body).ticket ?? ""),
  ).length;
}

const clash = (a: Held, b: Held): boolean => a.holder !== b.holder && meet(a.pattern, b.pattern);

const known = new Map<string, boolean>();

function meet(a: string, b: string): boolean {
  const key = `${a}\n${b}`;
  const answer = known.get(key) ?? commonPath(parsePattern(a), parsePattern(b)) !== null;
  known.set(key, answer);
  return answer;
}
