import { z } from "zod";

let lastMs = 0;
let counter = 0;
/** The time of the latest id as it is written, and what it says: many ids are made within one millisecond. */
let time = "";
let timeMs = -1;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Random bytes are drawn for many ids at once, because a draw costs more than the rest of an id. */
const pool = new Uint8Array(8 * 512);
let unused = 0;

function random8(): number {
  if (unused === 0) {
    globalThis.crypto.getRandomValues(pool);
    unused = pool.length;
  }
  unused -= 8;
  return unused;
}

const hex = (byte: number | undefined): string => HEX[(byte ?? 0) & 0xff] ?? "";

/**
 * A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then a 12-bit counter that keeps ids of one process
 * in order within a millisecond (section 6.2, method 1), then 62 random bits.
 */
export function newId(): string {
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    counter = 0;
  } else if (++counter > 0xfff) {
    lastMs += 1;
    counter = 0;
  }
  if (timeMs !== lastMs) {
    timeMs = lastMs;
    const digits = lastMs.toString(16).padStart(12, "0");
    time = `${digits.slice(0, 8)}-${digits.slice(8)}-`;
  }
  const at = random8();
  const order = hex(0x70 | (counter >>> 8)) + hex(counter);
  const variant = hex(((pool[at] ?? 0) & 0x3f) | 0x80) + hex(pool[at + 1]);
  let node = "";
  for (let i = at + 2; i < at + 8; i += 1) node += hex(pool[i]);
  return `${time}${order}-${variant}-${node}`;
}

/**
 * Gives later ids than this one from now on: what is listed by its id is then in order, also where an earlier process
 * of the same server had a wall clock that was ahead.
 */
export function goOnAfter(id: string): void {
  const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(id) ?? [];
  if (high === undefined || low === undefined) return;
  const next = Number.parseInt(high + low, 16) + 1;
  if (next > lastMs) [lastMs, counter] = [next, 0];
}

/** 64 lower-case hexadecimal digits. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits (a SHA-256)");

/** A name of an agent, node, user, project: letters, digits, `.`, `_`, `-`; starts with a letter or digit; up to 64. */
export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "must be 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit",
  );

/** A thread id: as a name, up to 128 characters; not a word of `gridpost thread`. */
export const ThreadId = z
  .string()
  .regex(
    /^(?!(?:follow|unfollow|mute|digest|export)$)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    "must be 1 to 128 letters, digits, '.', '_' or '-', starting with a letter or digit, and not follow, unfollow, mute, digest or export",
  );

const Id = z.uuid("must be a whole id, as the lists show it with --json");

// UUIDv7, branded so that one kind of id is not taken for another; a cell's is the hash of what it measures.
export const MessageId = Id.brand("MessageId");
export const LeaseId = Id.brand("LeaseId");
export const SweepId = Id.brand("SweepId");
export const RunId = Id.brand("RunId");
export const AttemptId = Id.brand("AttemptId");
export const SessionId = Id.brand("SessionId");
export const CellId = Sha256.brand("CellId");
export type MessageId = z.infer<typeof MessageId>;
export type LeaseId = z.infer<typeof LeaseId>;
export type SweepId = z.infer<typeof SweepId>;
export type RunId = z.infer<typeof RunId>;
export type AttemptId = z.infer<typeof AttemptId>;
export type SessionId = z.infer<typeof SessionId>;
export type CellId = z.infer<typeof CellId>;

/** ISO 8601 in UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const Time = z.iso.datetime({ precision: 3 });

/** Milliseconds since the epoch as the wire's time text. */
export const toTime = (ms: number): string => new Date(ms).toISOString();
