import { createHash } from "node:crypto";
import { z } from "zod";

const HEAD_BYTES = 1_048_576;
const TAIL_BYTES = 4 * 1_048_576;

const Snapshot = z.object({
  head: z.string(),
  tail: z.string(),
  total: z.int(),
});

/**
 * The log of one attempt in bounded memory: its first MiB and its last 4 MiB, whole lines, with a mark that says how
 * much is missing between them.
 */
export class BoundedLog {
  private head = "";
  private headBytes = 0;
  private tail: string[] = [];
  private tailBytes = 0;
  /** Bytes written so far, kept or not. */
  total = 0;

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    this.total += bytes;
    if (this.tail.length === 0 && this.headBytes + bytes <= HEAD_BYTES) {
      this.head += line;
      this.headBytes += bytes;
      return;
    }
    this.tail.push(line);
    this.tailBytes += bytes;
    // Twice its size before it is cut, so that a flood costs one copy per 4 MiB.
    this.trim(2 * TAIL_BYTES);
  }

  text(): string {
    this.trim(TAIL_BYTES);
    const tail = this.tail.join("");
    const dropped = this.total - this.headBytes - Buffer.byteLength(tail);
    return dropped === 0 ? this.head + tail : `${this.head}[… ${dropped} bytes dropped]\n${tail}`;
  }

  /** Everything needed to go on after a restart, as text. */
  snapshot(): string {
    return JSON.stringify({ head: this.head, tail: this.tail.join(""), total: this.total });
  }

  static restore(snapshot: string): BoundedLog {
    const { head, tail, total } = Snapshot.parse(JSON.parse(snapshot));
    const log = new BoundedLog();
    log.head = head;
    log.headBytes = Buffer.byteLength(head);
    log.tail = tail === "" ? [] : [tail];
    log.tailBytes = Buffer.byteLength(tail);
    log.total = total;
    return log;
  }

  private trim(limit: number): void {
    if (this.tailBytes <= limit) return;
    const bytes = Buffer.from(this.tail.join(""));
    const kept = bytes.subarray(bytes.indexOf(10, bytes.length - TAIL_BYTES) + 1);
    this.tail = [kept.toString()];
    this.tailBytes = kept.length;
  }
}

/** Hash and size of a file's bytes, as evidence names them. */
export const fingerprint = (bytes: Uint8Array): { sha256: string; size: number } => ({
  sha256: createHash("sha256").update(bytes).digest("hex"),
  size: bytes.length,
});
