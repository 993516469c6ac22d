import type { Cell } from "../contract/cell/cell.ts";

/** So much of a cell's id tells it from others. */
export const SHORT_ID = 12;

/** `threads=4 size=large` */
export const axesText = (axes: Cell["axes"]): string =>
  Object.entries(axes)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
