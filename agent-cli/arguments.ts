import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { ProblemError } from "../contract/problem-error.ts";
import { DAY_MS, MAX_DAYS, parseDuration } from "../contract/units.ts";

/** `30s`, `10m`, `2h` as milliseconds. */
export function duration(value: string): number {
  const ms = parseDuration(value);
  if (ms === undefined)
    throw new InvalidArgumentError("write a number with a unit, such as 30s, 10m or 2h.");
  if (ms <= MAX_DAYS * DAY_MS) return ms;
  throw new InvalidArgumentError(`it is more than ${MAX_DAYS}d.`);
}

/** A whole number from 0. */
export function count(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("write a whole number.");
}

/** What a header can carry, as the server takes it. */
export function idempotencyKey(value: string): string {
  if (/^[\x21-\x7e]{1,128}$/.test(value)) return value;
  throw new InvalidArgumentError("write 1 to 128 printable ASCII characters without spaces.");
}

/** One name or several with commas between them; the option may be repeated. */
export const names = (value: string, previous: readonly string[] = []): string[] => [
  ...previous,
  ...value.split(",").filter((name) => name !== ""),
];

/** A file's text; `-` is stdin. @throws ProblemError BAD_REQUEST for a file that cannot be read or is no text */
export async function readText(path: string): Promise<string> {
  const content =
    path === "-"
      ? await buffer(process.stdin)
      : await readFile(path).catch((cause: unknown) => {
          throw unreadable(path, cause);
        });
  if (isUtf8(content)) return content.toString("utf8");
  throw new ProblemError("BAD_REQUEST", `${path} is no text in UTF-8`, {
    next: "convert it to UTF-8; a message carries other files with --attach",
  });
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "it may not be read",
};

/** What an option cannot do without. */
export function notEmpty(value: string): string {
  if (value.trim() !== "") return value;
  throw new InvalidArgumentError("it is empty.");
}

export const unreadable = (path: string, cause: unknown): ProblemError => {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const known = typeof code === "string" ? UNREADABLE[code] : undefined;
  const why = known ?? (cause instanceof Error ? cause.message : String(cause));
  return new ProblemError("BAD_REQUEST", `cannot read ${path}: ${why}`, {
    next: "check the path",
    cause,
  });
};

type Given<T> = { -readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** The options that were given, without those left undefined: a request leaves them to the server's defaults. */
export const given = <const T extends Record<string, unknown>>(options: T): Given<T> =>
  Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Given<T>;

/** An option that may be given several times. */
export const repeated = (value: string, previous: readonly string[] = []): string[] => [
  ...previous,
  value,
];
