import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256 } from "../contract/cell/cell-id.ts";
import type { FileIdentity } from "../contract/cell/expand.ts";
import { RelativePath, type SweepFile, type SweepSource } from "../contract/cell/sweep-file.ts";
import { ProblemError } from "../contract/problem-error.ts";
import { type FileProblem, readSweepFile } from "../runtime/sweep-file.ts";
import { readYaml } from "../runtime/yaml-source.ts";
import { readText, unreadable } from "./arguments.ts";

/** What the server takes at most of input files, in bytes before base64. */
const MAX_FILES_BYTES = 8 * 1_048_576;

/** A sweep file with the content of its input files: all that is needed to plan or to submit it. */
export interface SweepBundle {
  readonly sweep: SweepFile;
  readonly source: SweepSource;
  readonly files: readonly { readonly path: string; readonly content: Buffer }[];
  /** What identifies the input files, by path. */
  readonly identities: ReadonlyMap<string, FileIdentity>;
}

/**
 * Reads a sweep file and the input files that it names, which stand relative to it.
 * @throws ProblemError UNPROCESSABLE with every mistake and its line; BAD_REQUEST for a file that cannot be read
 */
export async function readSweepBundle(path: string): Promise<SweepBundle> {
  const text = await readText(path);
  const read = readSweepFile(text, path);
  const yaml = readYaml(text);
  const named = yaml.broken ? [] : namedFiles(yaml.value);
  const found = await Promise.all(
    [...new Set(named)].filter(Boolean).map((name) => inputFile(dirname(path), name)),
  );
  const missing = found.flatMap((file) => {
    if (!("problem" in file)) return [];
    const place = ["cell", "files", named.indexOf(file.name)];
    const message = file.problem;
    return [{ file: path, ...yaml.positionOf(place), path: place.join("."), message }];
  });
  if (!read.ok || missing.length > 0)
    throw mistakes(path, [...(read.ok ? [] : read.problems), ...missing]);
  const { sweep, source } = read;
  const files = found.flatMap((file) =>
    "content" in file ? [{ path: file.name, content: file.content }] : [],
  );
  refuseTooMuch(files.reduce((sum, { content }) => sum + content.length, 0));
  const identities = files.map(({ path: name, content }): [string, FileIdentity] => [
    name,
    { sha256: sha256(content), size: content.length },
  ]);
  return { sweep, source, files, identities: new Map(identities) };
}

/** The input files of a sweep file that may be wrong elsewhere; those whose names are mistakes themselves are empty. */
function namedFiles(value: unknown): string[] {
  const files = (value as { cell?: { files?: unknown } } | null | undefined)?.cell?.files;
  if (!Array.isArray(files)) return [];
  return files.map((name: unknown) => RelativePath.safeParse(name).data ?? "");
}

type InputFile = { readonly name: string } & (
  | { readonly content: Buffer }
  | { readonly problem: string }
);

async function inputFile(folder: string, name: string): Promise<InputFile> {
  try {
    return { name, content: await readFile(join(folder, name)) };
  } catch (error) {
    return { name, problem: unreadable(join(folder, name), error).message };
  }
}

function mistakes(path: string, found: readonly FileProblem[]): ProblemError {
  const problems = found.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const many = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
  return new ProblemError("UNPROCESSABLE", `${many} in ${path}`, {
    details: problems.map((problem) => ({ ...problem })),
    next: `correct the file, then: gridpost sweep validate ${path}`,
  });
}

function refuseTooMuch(bytes: number): void {
  if (bytes <= MAX_FILES_BYTES) return;
  throw new ProblemError(
    "PAYLOAD_TOO_LARGE",
    `the input files are ${bytes} bytes together; a sweep carries at most ${MAX_FILES_BYTES}`,
    { next: "mount large data with cell.mounts, or put it into the image" },
  );
}
