import type { LogChunk } from "../launcher.ts";

const HEADER_BYTES = 8;

/**
 * Takes apart the stream in which an engine multiplexes stdout and stderr: frames of one byte stream number, three
 * bytes 0, four bytes length, then the payload. Payload leaves as it comes; a frame is never collected.
 */
export class LogFrames {
  private header = Buffer.alloc(0);
  private left = 0;
  private stream: LogChunk["stream"] = "stdout";

  push(bytes: Buffer): LogChunk[] {
    const chunks: LogChunk[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.left === 0) {
        at = this.readHeader(bytes, at);
      } else {
        const payload = bytes.subarray(at, at + this.left);
        chunks.push({ stream: this.stream, bytes: payload });
        this.left -= payload.length;
        at += payload.length;
      }
    }
    return chunks;
  }

  private readHeader(bytes: Buffer, at: number): number {
    const end = at + HEADER_BYTES - this.header.length;
    this.header = Buffer.concat([this.header, bytes.subarray(at, end)]);
    if (this.header.length === HEADER_BYTES) {
      this.stream = this.header[0] === 2 ? "stderr" : "stdout";
      this.left = this.header.readUInt32BE(4);
      this.header = Buffer.alloc(0);
    }
    return Math.min(end, bytes.length);
  }
}
