/** Further away no name is what was meant. */
const MOST_EDITS = 3;

/** The candidate that a misspelt word most likely meant; undefined when none is near. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  const folded = word.toLowerCase();
  let limit = Math.min(MOST_EDITS, Math.max(1, Math.floor(word.length / 3)));
  let best: string | undefined;
  for (const name of candidates) {
    const candidate = name.toLowerCase();
    if (Math.abs(candidate.length - folded.length) > limit) continue;
    const distance = editDistance(folded, candidate, limit);
    if (distance > limit) continue;
    best = name;
    limit = distance - 1;
  }
  return best;
}

/** `; did you mean "x"?` to end a message with, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const name = closest(word, candidates);
  return name === undefined ? "" : `; did you mean "${name}"?`;
}

/** Edit distance: insertions, deletions, substitutions and swaps of neighbours; Infinity as soon as it exceeds `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = Array<number>(b.length + 1).fill(Infinity);
    next[0] = i;
    let least = i;
    // As far from the diagonal as that, the rest would exceed the limit alone.
    const end = Math.min(b.length, i + limit);
    for (let j = Math.max(1, i - limit); j <= end; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swaps = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = swaps ? (before[j - 2] ?? 0) + 1 : Infinity;
      const distance = Math.min(substituted, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      next[j] = distance;
      least = Math.min(least, distance);
    }
    // What follows is no less: a swap costs more than the row before last, and that is at most one less than this.
    if (least > limit) return Infinity;
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
