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
  const givenBy = new Map<string, string>();
  for (const { key, value, by } of valuesOver(sources)) {
    tree = put(tree, key.split("."), value);
    givenBy.set(key, by);
  }
  const parsed = schema.safeParse(tree);
  if (parsed.success) return parsed.data;
  /** A setting that was given in another place as well stands in the file for nothing. */
  const where: Where = (path) => {
    const keys = path.map((_, i) => path.slice(0, path.length - i).join("."));
    const by = keys.map((key) => givenBy.get(key)).find((one) => one !== undefined);
    return by === undefined ? file.lineOf(path) : `${by}: `;
  };
  throw mistake(parsed.error.issues.flatMap((issue) => explain(issue, where)).join("; "));
}

interface Given {
  readonly key: string;
  readonly value: unknown;
  readonly by: string;
}

/** What is given over the file, the stronger the later. */
function valuesOver({ env, set, flags }: ConfigSources): Given[] {
  const ofEnv = Object.entries(env).map(([by, key]) => ({ key, value: process.env[by], by }));
  const ofSet = set.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw mistake(`--set ${text}`, "write it as --set a.b=value");
    return { key: text.slice(0, at), value: text.slice(at + 1), by: "--set" };
  });
  const ofFlags = Object.entries(flags).map(([key, value]) => ({ key, value, by: `--${key}` }));
  const given = ({ value }: Given): boolean => value !== undefined;
  return [...ofEnv.filter(({ value }) => value !== ""), ...ofSet, ...ofFlags].filter(given);
}

/** Where a setting was given, before what is wrong with it: `config.yaml:3: `, `--set: `, or nothing. */
type Where = (path: readonly PropertyKey[]) => string;

interface ConfigFile {
  readonly tree: Tree;
  /** `config.yaml:3: ` for a setting that the file has, or nothing. */
  readonly lineOf: Where;
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
    tree: valueOf(document, file),
    lineOf: (path) => {
      const node = document.getIn(path, true);
      const range =
        typeof node === "object" && node !== null && "range" in node ? node.range : null;
      const offset = Array.isArray(range) ? Number(range[0]) : undefined;
      return offset === undefined ? "" : `${file}:${lines.linePos(offset).line}: `;
    },
  };
}

function valueOf(document: Document, file: string): Tree {
  try {
    return (document.toJS() ?? {}) as Tree;
  } catch (error) {
    // An alias of nothing, or of so much that it would fill the memory.
    throw mistake(`${file} is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
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

function explain(issue: z.core.$ZodIssue, where: Where): string[] {
  if (issue.code !== "unrecognized_keys")
    return [`${where(issue.path)}${issue.path.join(".")}: ${issue.message}`];
  return issue.keys.map((key) => {
    const path = [...issue.path, key];
    return `${where(path)}there is no setting ${path.join(".")}`;
  });
}

const mistake = (message: string, next = "correct it and start again"): ProblemError =>
  new ProblemError("BAD_REQUEST", message, { next });
