const UNKNOWN = "application/octet-stream";

const MAGIC: readonly (readonly [type: string, offset: number, bytes: string])[] = [
  ["image/png", 0, "\x89PNG\r\n\x1a\n"],
  ["image/jpeg", 0, "\xff\xd8\xff"],
  ["image/gif", 0, "GIF8"],
  ["image/webp", 8, "WEBP"],
  ["application/pdf", 0, "%PDF-"],
  ["application/zip", 0, "PK\x03\x04"],
  ["application/gzip", 0, "\x1f\x8b"],
  ["application/zstd", 0, "\x28\xb5\x2f\xfd"],
  ["application/x-xz", 0, "\xfd7zXZ\x00"],
  ["application/x-tar", 257, "ustar"],
  ["application/vnd.sqlite3", 0, "SQLite format 3\x00"],
  ["application/x-elf", 0, "\x7fELF"],
  ["application/x-hdf5", 0, "\x89HDF\r\n\x1a\n"],
];

/** How many bytes of a file `mediaType` looks at. */
export const SNIFFED_BYTES = 512;

/**
 * The media type of a file by its first bytes, never by its name. Text is `text/plain` whatever markup it holds, so that
 * nothing shows an attachment as a page.
 */
export function mediaType(head: Uint8Array): string {
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, SNIFFED_BYTES));
  const text = bytes.toString("latin1");
  const known = MAGIC.find(([, offset, magic]) => text.startsWith(magic, offset));
  if (known !== undefined) return known[0];
  return isText(bytes) ? "text/plain" : UNKNOWN;
}

/** UTF-8 without control characters; a character cut at the end is no fault. */
function isText(bytes: Buffer): boolean {
  if (bytes.some((byte) => byte < 0x20 && !"\t\n\r\f\x1b".includes(String.fromCharCode(byte))))
    return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
