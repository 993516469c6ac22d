import Database from "better-sqlite3";
import { ProblemError } from "../contract/problem.ts";

const FULL = [
  "the disk is full",
  "free space on the disk that holds the data folder, then repeat the call",
] as const;

const ADVICE: readonly (readonly [prefix: string, what: string, next: string])[] = [
  ["SQLITE_FULL", ...FULL],
  // No room for the index of the write-ahead log, which is made anew when the file is opened.
  ["SQLITE_IOERR_SHMSIZE", ...FULL],
  [
    "SQLITE_READONLY",
    "the database cannot be written",
    "make the data folder and its files writable for the server's user",
  ],
  [
    "SQLITE_CANTOPEN",
    "the database cannot be opened",
    "check that the data folder exists and belongs to the server's user",
  ],
  [
    "SQLITE_PERM",
    "access to the database is denied",
    "make the data folder readable and writable for the server's user",
  ],
  [
    "SQLITE_CORRUPT",
    "the database is damaged",
    "stop the server and restore it: gridpost archive restore <archive> --data <new folder>",
  ],
  [
    "SQLITE_NOTADB",
    "the file is not a database",
    "stop the server and restore it: gridpost archive restore <archive> --data <new folder>",
  ],
  [
    "SQLITE_IOERR",
    "the disk reported an error",
    "check the disk and the kernel log, then restart the server",
  ],
  [
    "SQLITE_BUSY",
    "another process holds the database",
    "stop other programs that use this data folder, then repeat the call",
  ],
  [
    "SQLITE_NOMEM",
    "the database ran out of memory",
    "give the server more memory, then repeat the call",
  ],
];

/** Turns a failure of the store into UNAVAILABLE with what to do about it; leaves every other error as it is. */
export function storeError(error: unknown, file: string): unknown {
  const advice = adviceFor(error);
  if (advice === undefined) return error;
  return unavailable(`${advice[1]} (${file}): ${(error as Error).message}`, advice[2], error);
}

/** The answer to every member of a group whose transaction could not be committed. */
export function commitError(error: unknown, file: string): ProblemError {
  const known = storeError(error, file);
  if (known instanceof ProblemError) return known;
  const reason = error instanceof Error ? error.message : String(error);
  return unavailable(
    `the transaction could not be committed (${file}): ${reason}`,
    "repeat the call",
    error,
  );
}

function adviceFor(error: unknown): (typeof ADVICE)[number] | undefined {
  if (!(error instanceof Database.SqliteError)) return undefined;
  return ADVICE.find(([prefix]) => error.code.startsWith(prefix));
}

function unavailable(message: string, next: string, cause: unknown): ProblemError {
  return new ProblemError("UNAVAILABLE", message, { next, cause });
}
