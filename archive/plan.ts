/** One file that an event makes in its project's repository, before its folder is known. */
export interface Plan {
  /** The folder that entries are counted in: `threads/2026/11/20`, `agents`. */
  readonly within: string;
  /** A sub-folder of its own that later events find again by (first part of `within`, this name). */
  readonly branch?: string;
  /** Whether the sub-folder is made when it is missing; else the file is left out. */
  readonly starts?: boolean;
  /** Further folders below the branch. */
  readonly below?: string;
  /** Whether files like this one grow in number, so that they are spread over folders. */
  readonly many: boolean;
  readonly name: string;
  readonly text: string;
}

/** `2026/11/20` of a time in ms. */
export const dayOf = (at: number): string => isoOf(at).slice(0, 10).replaceAll("-", "/");

/** `2026/11/20/14/05` of a time in ms. */
export const minuteOf = (at: number): string => isoOf(at).slice(0, 16).replaceAll(/[-:T]/g, "/");

/** A time in ms as part of a file name: no colon, which some file systems refuse. */
export const stampOf = (at: number): string => isoOf(at).replaceAll(":", "-");

export const isoOf = (at: number): string => new Date(at).toISOString();

/** A document with YAML front matter; JSON values are YAML values. */
export function withFrontMatter(fields: Readonly<Record<string, unknown>>, body: string): string {
  const lines = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `---\n${lines.join("\n")}\n---\n${body === "" ? "" : `\n${body}${body.endsWith("\n") ? "" : "\n"}`}`;
}

/** A JSON document with the facts that every file of an event begins with. */
export const jsonFile = (fields: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify(fields, null, 2)}\n`;
