import type { Combination } from "./matrix.ts";
import type { CellTemplate } from "./sweep-file.ts";

/** Names that the node replaces: the folders of the input files and of the results. */
export const NODE_PLACEHOLDERS: ReadonlySet<string> = new Set(["files", "out"]);

const PLACEHOLDER = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** A text of the template in which placeholders count, and where it stands. */
export interface TemplateText {
  readonly path: readonly (string | number)[];
  readonly text: string;
}

/** Every text of a cell template that placeholders may stand in. */
export function templateTexts(cell: CellTemplate): TemplateText[] {
  return [
    ...(cell.image === undefined ? [] : [{ path: ["cell", "image"], text: cell.image }]),
    ...cell.command.map((text, i) => ({ path: ["cell", "command", i], text })),
    ...Object.entries(cell.env).map(([name, text]) => ({ path: ["cell", "env", name], text })),
  ];
}

/** The axis names that a text refers to. */
export const placeholdersIn = (text: string): string[] =>
  [...text.matchAll(PLACEHOLDER)]
    .map(([, name = ""]) => name)
    .filter((name) => !NODE_PLACEHOLDERS.has(name));

/** Puts axis values in the place of `${axis}`; what the node replaces is left as it is. */
export const substitute = (text: string, axes: Combination): string =>
  text.replaceAll(PLACEHOLDER, (whole, name: string) =>
    NODE_PLACEHOLDERS.has(name) ? whole : String(axes[name]),
  );
