import type { AxisChoice, AxisValue, Matrix } from "./sweep-file.ts";

/** A combination of axis values. */
export type Combination = Readonly<Record<string, AxisValue>>;

/** How many combinations the axes alone make. */
export const productSize = (matrix: Matrix): number =>
  Object.values(matrix.axes).reduce((size, values) => size * values.length, 1);

/** Every axis name that a cell may have: those of `axes` and those that `include` adds. */
export const axisNames = (matrix: Matrix): Set<string> =>
  new Set([...Object.keys(matrix.axes), ...matrix.include.flatMap((entry) => Object.keys(entry))]);

/**
 * The combinations of a matrix: the product of its axes, less `exclude`, then each `include` entry either adds its
 * values to the combinations of the product that it does not contradict, or, if there are none, is one of its own.
 * Without axes and entries there is the one empty combination.
 */
export function combinations(matrix: Matrix): Combination[] {
  const original = product(matrix).filter(
    (one) => !matrix.exclude.some((entry) => agrees(one, entry, Object.keys(entry))),
  );
  const extended = original.map((one): Record<string, AxisValue> => ({ ...one }));
  const added: Combination[] = [];
  for (const entry of matrix.include) {
    const shared = Object.keys(entry).filter((axis) => Object.hasOwn(matrix.axes, axis));
    const fitting = original.flatMap((one, i) => (agrees(one, entry, shared) ? [i] : []));
    for (const i of fitting) Object.assign(extended[i] ?? {}, entry);
    if (fitting.length === 0) added.push(entry);
  }
  return [...extended, ...added];
}

function product({ axes, include }: Matrix): Combination[] {
  const entries = Object.entries(axes);
  // Entries alone are a list of combinations, not additions to the empty one.
  if (entries.length === 0 && include.length > 0) return [];
  return entries.reduce<Combination[]>(
    (rows, [axis, values]) =>
      rows.flatMap((row) => values.map((value) => ({ ...row, [axis]: value }))),
    [{}],
  );
}

const agrees = (one: Combination, entry: AxisChoice, axes: readonly string[]): boolean =>
  axes.every((axis) => one[axis] === entry[axis]);
