import { pino, type Logger } from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

const LEVELS: Readonly<Record<number, string>> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "ERROR",
  60: "FATAL",
};

/** What waits for a disk that is full, in bytes; more is dropped. */
const MAX_WAITING = 1_048_576;

/**
 * The log of a process on stderr: one JSON object per line, or readable lines on a terminal. A line that cannot be written
 * ends nobody.
 */
export function createLog(level: LogLevel): Logger {
  const { isTTY } = process.stderr;
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    redact: ["*.headers.authorization", "headers.authorization"],
  };
  if (!isTTY) {
    const stderr = pino.destination({ fd: 2, sync: true, maxLength: MAX_WAITING });
    return pino(
      options,
      stderr.on("error", () => undefined),
    );
  }
  return pino(options, { write: (line) => void process.stderr.write(readable(line)) });
}

function readable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as {
    msg?: string;
    [key: string]: unknown;
  };
  const fields = Object.entries(rest).map(
    ([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const clock = String(time).slice(11, 19);
  return `${clock} ${LEVELS[Number(level)] ?? String(level)} ${msg ?? ""}${fields.join("")}\n`;
}
