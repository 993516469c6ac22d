import { covers, parsePattern } from "../../contract/pattern/pattern.ts";

/** What the model knows of patterns: which of a few paths each covers. */
export const PATTERNS = ["a", "a/b", "a/*", "b", "b/*.c", "**/x"] as const;
const PATHS = ["a", "b", "a/b", "a/x", "a/b/x", "b/x", "b/y.c", "b/x.c/x", "c/x"];
export const LOCK_DELAY_MS = 30_000;

export type Mode = "exclusive" | "shared";
type State = "held" | "released" | "expired" | "superseded";

export interface ModelLease {
  readonly id: string;
  holder: string;
  mode: Mode;
  readonly pattern: string;
  fence: number;
  state: State;
  readonly ttlMs: number;
  due: number;
  /** Ungrantable until then: to others after an expiry, to all after force. */
  lockedUntil: number;
  forced: boolean;
}

export interface ModelTicket {
  readonly id: string;
  readonly holder: string;
  readonly mode: Mode;
  readonly pattern: string;
  readonly ttlMs: number;
}

export interface Wish {
  readonly holder: string;
  readonly mode: Mode;
  readonly pattern: string;
}

const meets = (a: string, b: string): boolean => {
  const [one, other] = [parsePattern(a), parsePattern(b)];
  return PATHS.some((path) => covers(one, path) && covers(other, path));
};

const clash = (a: Wish, b: Wish): boolean =>
  (a.mode === "exclusive" || b.mode === "exclusive") && meets(a.pattern, b.pattern);

/** The lease machine without a database, an index or automata: a list, looked through from its start. */
export class LeaseModel {
  now = 0;
  fence = 0;
  readonly leases: ModelLease[] = [];
  tickets: ModelTicket[] = [];

  held(): ModelLease[] {
    return this.leases.filter(({ state }) => state === "held");
  }

  /** Leases in the way of a wish. */
  rivals(wish: Wish): ModelLease[] {
    return this.leases.filter((lease) => {
      if (!clash(wish, lease)) return false;
      const others = lease.holder !== wish.holder;
      if (lease.state === "held") return others;
      return this.now < lease.lockedUntil && (others || lease.forced);
    });
  }

  /** Earlier waiters in the way of a wish. */
  ahead(wish: Wish, before = this.tickets.length): ModelTicket[] {
    return this.tickets
      .slice(0, before)
      .filter((ticket) => ticket.holder !== wish.holder && clash(wish, ticket));
  }

  ownShared({ holder, mode, pattern }: Wish): ModelLease | undefined {
    if (mode === "shared") return undefined;
    return this.held().find(
      (lease) => lease.holder === holder && lease.mode === "shared" && lease.pattern === pattern,
    );
  }

  isFree(wish: Wish, before?: number): boolean {
    const upgrades = this.ownShared(wish) !== undefined;
    return this.rivals(wish).length === 0 && (upgrades || this.ahead(wish, before).length === 0);
  }

  /** Notes what the real side granted: a new lease, or the holder's own shared one upgraded. */
  take(
    { holder, mode, pattern, ttlMs }: Wish & { readonly ttlMs: number },
    { id, fence }: { readonly id: string; readonly fence: number },
  ): void {
    const due = this.now + ttlMs;
    const own = this.ownShared({ holder, mode, pattern });
    if (own === undefined) {
      const fresh = { lockedUntil: 0, forced: false, state: "held" as const };
      this.leases.push({ id, holder, mode, pattern, fence, ttlMs, due, ...fresh });
    } else Object.assign(own, { mode, fence, due });
    this.fence = Math.max(this.fence, fence);
    this.noteGrant({ holder, mode, pattern });
  }

  newFence(lease: ModelLease): void {
    this.fence += 1;
    lease.fence = this.fence;
    this.noteGrant(lease);
  }

  /** A conflicting grant ends what could still have been revived. */
  private noteGrant(granted: Wish): void {
    for (const lease of this.leases) {
      if (lease.state !== "expired" || lease.holder === granted.holder) continue;
      if (clash(granted, lease)) lease.state = "superseded";
    }
  }

  /** Whether waiting for this would lead back to the waiter. What is only locked becomes free by itself; an upgrade waits for no waiter. */
  leadsBack(wish: Wish): boolean {
    const seen = new Set<string>();
    const next = (one: Wish, before: number): string[] => [
      ...this.rivals(one).flatMap(({ holder, state }) => (state === "held" ? [holder] : [])),
      ...(this.ownShared(one) === undefined ? this.ahead(one, before) : []).map(
        ({ holder }) => holder,
      ),
    ];
    const stack = next(wish, this.tickets.length);
    for (let holder = stack.pop(); holder !== undefined; holder = stack.pop()) {
      if (holder === wish.holder) return true;
      if (seen.has(holder)) continue;
      seen.add(holder);
      for (const [i, ticket] of this.tickets.entries())
        if (ticket.holder === holder) stack.push(...next(ticket, i));
    }
    return false;
  }

  /** Time passes at once, as the deadline loop sees it: expiries first, each with its lock-delay from now. */
  advance(ms: number): void {
    this.now += ms;
    for (const lease of this.held()) {
      if (lease.due > this.now) continue;
      lease.state = "expired";
      lease.lockedUntil = this.now + LOCK_DELAY_MS;
    }
  }
}
