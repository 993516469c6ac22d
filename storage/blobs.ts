import type { Readable } from "node:stream";

export interface BlobRef {
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
}

/** The content-addressed store of attachments and evidence. Events hold hash and size; the bytes lie here. */
export interface Blobs {
  /**
   * Stores the content, durable when the promise resolves; the same content twice is stored once.
   * @param maxBytes the most bytes it may have
   * @throws ProblemError PAYLOAD_TOO_LARGE beyond `maxBytes` (nothing is kept), UNAVAILABLE if the disk refuses
   */
  put(content: Readable | Uint8Array, maxBytes: number): Promise<BlobRef>;
  /**
   * Opens the content.
   * @param size what it must have, where that is known
   * @throws ProblemError NOT_FOUND, also for content of another size
   */
  get(sha256: string, size?: number): Promise<Readable>;
  has(sha256: string): Promise<boolean>;
  /** Removes the content; one that is not there is no error. */
  delete(sha256: string): Promise<void>;
}
