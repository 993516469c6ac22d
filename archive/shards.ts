/** Files, and as many sub-folders: with the few files of fixed names a folder stays below 256 entries. */
const FAN = 120;

/**
 * Where the n-th entry (from 0) of a logical folder lies below it: the first 120 in the folder itself, later ones in
 * numbered sub-folders, so that no folder grows without end and the common small one stays flat.
 */
export function shardOf(n: number): string {
  const digits: number[] = [];
  for (let rest = Math.floor(n / FAN); rest > 0; rest = Math.floor(rest / FAN))
    digits.unshift(rest % FAN);
  return digits.map((digit) => `${digit}/`).join("");
}
