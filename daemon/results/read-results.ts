import type { Parser } from "../../contract/cell/sweep-file.ts";
import type { Collected } from "./collect.ts";
import { parseCsvResults } from "./csv.ts";
import { parseJsonResults } from "./json.ts";
import { readHashed } from "./hashed-file.ts";
import type { PerformanceLine } from "./performance.ts";
import { type Parsed, refuse } from "./reading.ts";

/** A result file is a table, not a log. */
const MOST_BYTES = 16 * 1_048_576;

export interface Output {
  readonly line: PerformanceLine;
  readonly collected: Collected;
  /** When the execution started, by the clock of the file system, milliseconds. */
  readonly startedMs: number;
}

/** The values of one execution, found as the cell's parser says. */
export async function readResults(parser: Parser, output: Output): Promise<Parsed> {
  if (parser.kind === "performance") return output.line.read(parser.metric);
  const { file: name, kind } = parser;
  const file = output.collected.files.find((one) => one.name === name);
  if (file === undefined) {
    const why = output.collected.leftOut.find((line) => line.startsWith(`${name}: `));
    return refuse(why ?? `there is no regular file ${name} in \${out}`);
  }
  if (file.size > MOST_BYTES)
    return refuse(`${name} has ${file.size} bytes, at most ${MOST_BYTES} are read`);
  if (file.modifiedMs < output.startedMs)
    return refuse(`${name} is older than the start of the execution: it is not its result`);
  const bytes = await readHashed(file);
  if (bytes === undefined) return refuse(`${name} was changed after the end of the execution`);
  const text = bytes.toString("utf8");
  return kind === "json" ? parseJsonResults(text, name) : parseCsvResults(text, name);
}
