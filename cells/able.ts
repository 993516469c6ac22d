import { couldRun, imageFits, type Wanted } from "./match.ts";
import type { Node } from "./node-store.ts";
import { nodesOf } from "./state.ts";

/** What a waiting run asks for. */
export interface Ask extends Wanted {
  /** The nodes that have failed it, as the store writes them. */
  readonly lane: string;
}

/** Whether a node could take the run, were it idle and there: it fits, has the image, and has not failed the run yet. */
export const isAble = ({ lane, ...wanted }: Ask, { name, inventory, images }: Node): boolean =>
  !nodesOf(lane).includes(name) &&
  couldRun(wanted.demand, inventory) &&
  imageFits(wanted, images, inventory);
