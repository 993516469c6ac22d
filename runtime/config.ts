import { readFileSync } from "node:fs";
import { type Document, isMap, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { ProblemError } from "../contract/problem.ts";

/** Settings as a tree of plain values. */
type Tree = { readonly [key: string]: unknown };

export interface ConfigSources {
  /** Settings from the command's own flags, undefined ones left out; they win over everything. */
  readonly flags: Tree;
  /** `a.b=c` of repeated `--set`, over the file. */
  readonly set: readonly string[];
  /** Environment variables by name and the setting that each gives; over the file, under `--set`. */
  readonly env: Readonly<Record<string, string>>;
  /** A YAML file that need not exist. */
  readonly file: string;
}

/**
 * The settings of a process: file, then environment, then `--set`, then flags, checked by one schema, whose defaults
 * fill the rest.
 * @throws ProblemError BAD_REQUEST with every mistake, where it is written
 */
export function loadConfig<T extends z.ZodType>(schema: T, sources: ConfigSources): z.output<T> {
  const file = readConfigFile(sources.file);
  let tree: Tree = file.tree;
  for (const [name, path] of Object.entries(sources.env)) {
    const value = process.env[name];
    if (value !== undefined && value !== "") tree = put(tree, path.split("."), value);
  }
  for (const text of sources.set) {
    const at = text.indexOf("=");
    if (at < 1) throw mistake(`--set ${text}`, "write it as --set a.b=value");
    tree = put(tree, text.slice(0, at).split("."), text.slice(at + 1));
  }
  for (const [key, value] of Object.entries(sources.flags))
    if (value !== undefined) tree = put(tree, key.split("."), value);
  const parsed = schema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const messages = parsed.error.issues.flatMap((issue) => explain(issue, file));
  throw mistake(messages.join("; "));
}

interface ConfigFile {
  readonly tree: Tree;
  /** `config.yaml:3: ` for a setting that the file has, or nothing. */
  lineOf(path: readonly PropertyKey[]): string;
}

function readConfigFile(file: string): ConfigFile {
  const lines = new LineCounter();
  const text = readText(file);
  if (text === undefined) return { tree: {}, lineOf: () => "" };
  const document: Document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) throw mistake(`${file} is not YAML: ${error.message.split("\n")[0]}`);
  if (document.contents !== null && !isMap(document.contents))
    throw mistake(`${file} must hold settings as key: value`);
  return {
    tree: (document.toJS() ?? {}) as Tree,
    lineOf: (path) => {
      const node = document.getIn(path, true);
      const range =
        typeof node === "object" && node !== null && "range" in node ? node.range : null;
      const offset = Array.isArray(range) ? Number(range[0]) : undefined;
      return offset === undefined ? "" : `${file}:${lines.linePos(offset).line}: `;
    },
  };
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // A folder that is none is for whoever makes it to refuse.
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw mistake(`${file} cannot be read: ${String(error)}`);
  }
}

/** The tree with the value at the path; what was there before is replaced. */
function put(tree: Tree, [key = "", ...rest]: readonly string[], value: unknown): Tree {
  if (rest.length === 0) return { ...tree, [key]: value };
  const below = tree[key];
  const branch = typeof below === "object" && below !== null ? { ...below } : {};
  return { ...tree, [key]: put(branch, rest, value) };
}

function explain(issue: z.core.$ZodIssue, file: ConfigFile): string[] {
  if (issue.code !== "unrecognized_keys")
    return [`${file.lineOf(issue.path)}${issue.path.join(".")}: ${issue.message}`];
  return issue.keys.map((key) => {
    const path = [...issue.path, key];
    return `${file.lineOf(path)}there is no setting ${path.join(".")}`;
  });
}

const mistake = (message: string, next = "correct it and start again"): ProblemError =>
  new ProblemError("BAD_REQUEST", message, { next });
