import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
} from "yaml";

interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML or JSON text as a value that knows where its parts stand. */
export interface YamlSource {
  readonly value: unknown;
  /** Mistakes of the notation: syntax, duplicate keys, unknown tags. */
  readonly errors: readonly (Position & { readonly path: string; readonly message: string })[];
  /** The value cannot be trusted, because the text is not well-formed. */
  readonly broken: boolean;
  /** Where the member at `path` stands: its key, or its nearest parent's if it is missing. Counts from 1. */
  positionOf(path: readonly (string | number)[]): Position;
}

/** Reads one YAML 1.2 document (JSON is one); never throws. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const errors = [...document.errors, ...document.warnings].map(({ pos, code, message }) => ({
    ...at(pos[0]),
    path: "",
    message: OWN_WORDS[code]?.(keyAt(text, pos[0])) ?? message,
  }));
  const { value, refused } = valueOf(document);
  if (refused !== undefined) errors.push({ ...at(0), path: "", message: refused });
  const malformed = document.errors.some(({ code }) => code !== "DUPLICATE_KEY");
  return {
    value,
    errors,
    broken: malformed || refused !== undefined,
    positionOf: (path) => at(offsetOf(document, path)),
  };
}

/** Where the parser speaks to programmers. */
const OWN_WORDS: Partial<Record<string, (key: string) => string>> = {
  DUPLICATE_KEY: (key) => `the key ${key} is there twice`,
  MULTIPLE_DOCS: () => "more than one document: a file holds one",
};

const keyAt = (text: string, offset: number): string =>
  /^[^\s:,}]+/.exec(text.slice(offset))?.[0] ?? "";

/** A document whose aliases would multiply without bound has no value. */
function valueOf(document: Document.Parsed): { value: unknown; refused?: string } {
  try {
    return { value: document.toJS() as unknown };
  } catch (error) {
    return { value: undefined, refused: error instanceof Error ? error.message : String(error) };
  }
}

function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        ({ key }) => String(isScalar(key) ? key.value : key) === String(part),
      );
      if (pair === undefined) break;
      offset = startOf(pair.key);
      node = pair.value;
    } else if (isSeq(node) && node.items[Number(part)] !== undefined) {
      node = node.items[Number(part)];
      offset = startOf(node);
    } else break;
  }
  return offset;
}

const startOf = (node: unknown): number => (isNode(node) ? (node.range?.[0] ?? 0) : 0);
