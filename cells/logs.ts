import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";

/** Bytes kept of the beginning and of the end of an attempt's live log. */
const HEAD_BYTES = 256 * 1_024;
const TAIL_BYTES = 1_024 * 1_024;
/** The most bytes in one answer; the reader asks on. */
export const PAGE_BYTES = 256 * 1_024;
/** Live logs are forgotten after so long; the log that backs the result is evidence. */
export const LOG_KEPT_MS = 7 * 86_400_000;

const SIZE = "select max(start + size) as size from e_logs where attempt = $1";
const APPEND = "insert into e_logs (attempt, start, size, text) values ($1, $2, $3, $4)";
const TRIM = "delete from e_logs where attempt = $1 and start >= $2 and start + size <= $3";
const FORGET = "delete from e_logs where attempt = $1";
const READ = `select start, size, text from e_logs where attempt = $1 and start + size > $2 order by start limit 64`;

export interface LogPage {
  readonly text: string;
  /** The offset to go on from. */
  readonly next: number;
}

interface Chunk {
  readonly start: number;
  readonly size: number;
  readonly text: string;
}

async function sizeOf(query: Query, attempt: string): Promise<number> {
  const [row] = await query<{ size: number | null }>(SIZE, [attempt]);
  return row?.size ?? 0;
}

/**
 * Appends to the live log; bytes that are known are skipped and a gap, which the sender's own bound made, stays one.
 * @returns the offset to go on from
 */
export async function appendLog(
  tx: LogTx,
  attempt: string,
  { offset, text }: { readonly offset: number; readonly text: string },
): Promise<number> {
  const known = await sizeOf(tx.query, attempt);
  const bytes = Buffer.from(text);
  const fresh = bytes.subarray(Math.max(0, known - offset));
  if (fresh.length === 0) return Math.max(known, offset);
  if (known === 0) await tx.setDeadline("log.forget", attempt, tx.now + LOG_KEPT_MS);
  const start = Math.max(known, offset);
  const end = start + fresh.length;
  await tx.query(APPEND, [attempt, start, fresh.length, fresh.toString()]);
  await tx.query(TRIM, [attempt, HEAD_BYTES, end - TAIL_BYTES]);
  return end;
}

export async function forgetLog(tx: LogTx, attempt: string): Promise<void> {
  await tx.query(FORGET, [attempt]);
}

/** The log from a byte offset on, with a line in place of what was dropped. */
export async function readLog(query: Query, attempt: string, after: number): Promise<LogPage> {
  const chunks = await query<Chunk>(READ, [attempt, after]);
  let text = "";
  let next = after;
  for (const { start, size, text: piece } of chunks) {
    if (next - after > PAGE_BYTES) break;
    if (start > next) text += `\n[${start - next} bytes dropped]\n`;
    text +=
      start < next
        ? Buffer.from(piece)
            .subarray(next - start)
            .toString()
        : piece;
    next = start + size;
  }
  return { text, next };
}
