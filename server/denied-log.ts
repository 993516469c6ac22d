import { createWriteStream, type WriteStream } from "node:fs";
import { rename, stat } from "node:fs/promises";
import { join } from "node:path";

const MAX_BYTES = 10 * 1_048_576;
/** How long after a failure the file is opened again. */
const REOPEN_MS = 10_000;

/** Whom the server turned away without knowing who it was. */
export interface Stranger {
  readonly address: string;
  readonly method: string;
  /** The route, not the URL: nothing that a stranger wrote is kept. */
  readonly route: string;
  readonly message: string;
}

/** `<data>/denied.log`, one JSON object per line, kept below 20 MiB with its predecessor `denied.log.1`. */
export interface DeniedLog {
  write(stranger: Stranger): void;
  close(): Promise<void>;
}

/**
 * @param onError hears of a file that cannot be written; the lines are lost until it can be, the server goes on
 * @param now milliseconds that only rise
 */
export async function openDeniedLog(
  data: string,
  onError: (error: unknown) => void,
  now: () => number = () => performance.now(),
): Promise<DeniedLog> {
  const file = join(data, "denied.log");
  let openedAt = 0;
  const open = (): WriteStream => {
    openedAt = now();
    return createWriteStream(file, { flags: "a", mode: 0o600 }).on("error", onError);
  };
  let size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  let stream = open();
  let turning: Promise<void> | undefined;
  const turn = async (): Promise<void> => {
    await new Promise<void>((resolve) => stream.end(resolve));
    await rename(file, `${file}.1`).catch(onError);
    size = 0;
    stream = open();
    turning = undefined;
  };
  return {
    write: (stranger) => {
      if (stream.destroyed && turning === undefined && now() - openedAt >= REOPEN_MS)
        stream = open();
      // A flood is not worth memory: what the disk does not take at once is dropped.
      if (turning !== undefined || stream.destroyed || stream.writableNeedDrain) return;
      const line = `${JSON.stringify({ time: new Date().toISOString(), ...stranger })}\n`;
      size += line.length;
      stream.write(line);
      if (size > MAX_BYTES) turning = turn();
    },
    close: async () => {
      await turning;
      await new Promise<void>((resolve) => stream.end(resolve));
    },
  };
}
