import type { z } from "zod";
import { checkSweep } from "../contract/cell/check.ts";
import { SweepFile, type SweepSource } from "../contract/cell/sweep-file.ts";
import { schemaProblems } from "./schema-problems.ts";
import { readYaml, type YamlSource } from "./yaml-source.ts";

/** One mistake in a sweep file and where it stands; line and column count from 1. */
export interface FileProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `cell.command.2`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** A sweep file that can be submitted, or everything that is wrong with it in the order of its lines. */
export type ReadSweepFile =
  | {
      readonly ok: true;
      readonly sweep: SweepFile;
      /** The file's value as written: what `submitSweep` takes. */
      readonly source: SweepSource;
    }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

type Path = readonly (string | number)[];
type Mistake = { readonly path: Path; readonly message: string };

/**
 * Reads a sweep file (YAML or JSON) and reports all of its mistakes at once: syntax, duplicate and unknown keys, wrong
 * types, and what cannot be expanded.
 * @param fileName as it shall appear in problems
 */
export function readSweepFile(text: string, fileName: string): ReadSweepFile {
  const source = readYaml(text);
  const mistakes = source.broken ? [] : sweepMistakes(source.value);
  if (source.errors.length + mistakes.length === 0)
    return { ok: true, sweep: SweepFile.parse(source.value), source: source.value as SweepSource };
  const located = mistakes.map((mistake) => locate(source, mistake));
  const problems = [...source.errors, ...located]
    .map((problem) => ({ file: fileName, ...problem }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
  return { ok: false, problems };
}

const locate = (source: YamlSource, { path, message }: Mistake): Omit<FileProblem, "file"> => ({
  ...source.positionOf(path),
  path: path.join("."),
  message,
});

function sweepMistakes(value: unknown): Mistake[] {
  const parsed = SweepFile.safeParse(value);
  if (parsed.success) return checkSweep(parsed.data);
  const schema = schemaProblems(SweepFile, value, parsed.error);
  const repaired = repair(value, parsed.error);
  if (repaired === undefined) return schema;
  const further = checkSweep(repaired).filter(
    ({ path, reads }) =>
      ![path, ...reads].some((one) => schema.some((bad) => overlap(one, bad.path))),
  );
  return [...schema, ...further];
}

/** Whether one path leads to the other. The whole file counts as no place of its own. */
const overlap = (a: Path, b: Path): boolean =>
  Math.min(a.length, b.length) > 0 && a.slice(0, b.length).every((part, i) => part === b[i]);

/** What a broken file may lack and still be looked at further. */
const STAND_INS = {
  name: "unnamed",
  cell: { command: ["unnamed"] },
  metrics: { primary: "unnamed" },
};

function withStandIns(copy: Members): Members {
  const { cell, metrics } = STAND_INS;
  return {
    ...STAND_INS,
    ...copy,
    cell: { ...cell, ...membersOf(copy["cell"]) },
    metrics: { ...metrics, ...membersOf(copy["metrics"]) },
  };
}

/**
 * The sweep that is left when what does not fit the schema is emptied, or else taken out, so that the mistakes which
 * the schema cannot see are found in the same pass; undefined if there is not enough left.
 */
function repair(value: unknown, error: z.ZodError): SweepFile | undefined {
  const copy: unknown = structuredClone(value);
  if (!isRecord(copy)) return undefined;
  for (const issue of error.issues) {
    const path = issue.path as Path;
    if (issue.code === "unrecognized_keys")
      for (const key of issue.keys) change(copy, [...path, key], remove);
    else change(copy, path, empty);
  }
  // What an empty text does not mend is taken out, then what held it.
  for (const levels of [0, 1, 2])
    for (const { path } of SweepFile.safeParse(withStandIns(copy)).error?.issues ?? [])
      change(copy, (path as Path).slice(0, path.length - levels), remove);
  return SweepFile.safeParse(withStandIns(copy)).data;
}

type Members = Record<string | number, unknown>;

const isRecord = (value: unknown): value is Members => typeof value === "object" && value !== null;

const membersOf = (value: unknown): Members => (isRecord(value) ? value : {});

const remove = (members: Members, part: string | number): void => void delete members[part];

/** An empty text is a value of an axis, a variable or a command, and keeps their names and places known. */
const empty = (members: Members, part: string | number): void => void (members[part] = "");

/** Changes the member at `path`; what stands in a list is removed with the whole list, so that no other place moves. */
function change(root: Members, path: Path, how: typeof remove): void {
  let parent = root;
  for (const [i, part] of path.entries()) {
    const member = parent[part];
    const next = path[i + 1];
    if (next === undefined || (how === remove && Array.isArray(member))) {
      how(parent, part);
      return;
    }
    if (!isRecord(member)) return;
    parent = member;
  }
}
