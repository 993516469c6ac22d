/** How far the counters of a restored server lie beyond those that its journal had. */
export const EPOCH_GAP = 1_000_000;
