/** A pause so many times as long as the count before it: counting takes no more than a hundredth of the time. */
const PAUSE = 100;
/** A forgotten owner costs one count. */
const MAX_REMEMBERED = 50_000;

/** Keeps the number of things of each owner under a limit. Every kind of thing has its own. */
export interface Room {
  readonly limit: number;
  /**
   * Takes one place of an owner; false if none is free.
   * @param count how many the owner has, not counting beyond `limit`; called inside of the transaction that takes the place
   */
  take(owner: string, count: () => Promise<number>): Promise<boolean>;
}

/**
 * Counts an owner's things once, and again only when as many were added as there was room for: on the way to the limit
 * adding costs nothing, and whoever is at it makes few counts. What went away in between, or was not added after all, is
 * found by the next count, so that the limit holds and is never reached too early for long.
 * @param now milliseconds that only rise
 */
export function openRoom(limit: number, now: () => number = () => performance.now()): Room {
  const owners = new Map<string, { left: number; readonly countAgainAt: number }>();
  return {
    limit,
    take: async (owner, count) => {
      let known = owners.get(owner);
      if (known === undefined || (known.left < 1 && now() >= known.countAgainAt)) {
        const began = now();
        const left = limit - (await count());
        const counted = now();
        known = { left, countAgainAt: counted + (counted - began) * PAUSE };
        if (owners.size >= MAX_REMEMBERED) owners.clear();
        owners.set(owner, known);
      }
      if (known.left < 1) return false;
      known.left -= 1;
      return true;
    },
  };
}
