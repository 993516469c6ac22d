import type { Client } from "../contract/client.ts";
import type { Log } from "./ports.ts";
import { backoff, sleep } from "./timers.ts";

/** Text is gathered for so long, so that a chatty command does not make a call per line. */
const GATHER_MS = 300;
const MOST_PER_CALL = 65_536;
/** Of a longer log the server gets the rest at the end, as evidence. */
const MOST_BYTES = 4 * 1_048_576;
const CUT = "[… the rest of the log is stored when the attempt ends]\n";

export interface LiveLogOptions {
  readonly client: Client;
  readonly attempt: string;
  readonly log: Log;
  /** Fires when nobody waits for the log any more. */
  readonly signal: AbortSignal;
}

/**
 * Sends the log while it is written. Best effort: it never holds the execution up, and what the server does not take it
 * gets as evidence. Offsets are bytes of the whole log, so a repetition is harmless.
 */
export class LiveLog {
  private readonly options: LiveLogOptions;
  private offset: number;
  /** Bytes handed in so far, those of earlier lives included. */
  private written: number;
  private pending = Buffer.alloc(0);
  private parts: string[] = [];
  private sending: Promise<void> | undefined;

  /** @param offset bytes that an earlier life has written */
  constructor(options: LiveLogOptions, offset: number) {
    this.options = options;
    this.offset = offset;
    this.written = offset;
  }

  write(line: string): void {
    if (this.written > MOST_BYTES) return;
    this.written += Buffer.byteLength(line);
    this.parts.push(this.written > MOST_BYTES ? CUT : line);
    this.sending ??= this.send().finally(() => {
      this.sending = undefined;
    });
  }

  /** Until all is sent, or `ms` have passed. */
  async flush(ms: number): Promise<void> {
    await Promise.race([this.sending, sleep(ms, this.options.signal)]);
  }

  private async send(): Promise<void> {
    const { signal } = this.options;
    await sleep(GATHER_MS, signal);
    for (let failures = 0; !signal.aborted && this.gather();) {
      const sent = await this.sendSome();
      failures = sent ? 0 : failures + 1;
      if (!sent) await sleep(backoff(failures), signal);
    }
  }

  private gather(): boolean {
    const text = this.parts.splice(0).join("");
    this.pending = Buffer.concat([this.pending, Buffer.from(text)]);
    return this.pending.length > 0;
  }

  private async sendSome(): Promise<boolean> {
    const { client, attempt, log, signal } = this.options;
    const chunk = this.pending.subarray(0, wholeCharacters(this.pending, MOST_PER_CALL));
    try {
      const { next } = await client.cells.appendLog(
        { params: { attempt }, body: { offset: this.offset, text: chunk.toString() } },
        { signal },
      );
      const taken = Math.min(Math.max(next - this.offset, chunk.length), this.pending.length);
      this.offset += taken;
      this.pending = this.pending.subarray(taken);
      return true;
    } catch (error) {
      log.debug({ attempt, error: String(error) }, "the live log was not taken");
      return false;
    }
  }
}

/** The largest cut up to `most` that does not fall into a character. */
function wholeCharacters(bytes: Buffer, most: number): number {
  let end = Math.min(most, bytes.length);
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end;
}
