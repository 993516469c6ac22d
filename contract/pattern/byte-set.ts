export const SLASH = 0x2f;
export const DOT = 0x2e;

/** A set of bytes; never holds NUL, which no path has. */
export class ByteSet {
  /** The only member, or -1. */
  readonly single: number;
  private readonly words: Uint32Array;
  /** Members in the order in which a person would like to read them. */
  private readonly readable: readonly number[];

  constructor(bytes: Iterable<number>) {
    this.words = new Uint32Array(8);
    for (const byte of bytes) {
      if (byte > 0) this.words[byte >> 5] = (this.words[byte >> 5] ?? 0) | (1 << (byte & 31));
    }
    this.readable = READABLE.filter((byte) => this.has(byte));
    this.single = this.readable.length === 1 ? (this.readable[0] ?? -1) : -1;
  }

  has(byte: number): boolean {
    return (((this.words[byte >> 5] ?? 0) >>> (byte & 31)) & 1) === 1;
  }

  /** A byte of both sets that is neither a slash nor a dot, or -1. */
  ordinaryIn(other: ByteSet): number {
    for (const byte of this.readable) {
      if (byte !== SLASH && byte !== DOT && other.has(byte)) return byte;
    }
    return -1;
  }
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Letters, digits, other printable ASCII, then the rest. */
const READABLE: readonly number[] = [
  ...new Set([
    ...range(0x61, 0x7a),
    ...range(0x30, 0x39),
    ...range(0x41, 0x5a),
    ...range(0x21, 0x7e),
    ...range(1, 255),
  ]),
];

export const ANY = new ByteSet(range(1, 255));
export const NOT_SLASH = new ByteSet(range(1, 255).filter((byte) => byte !== SLASH));

const singles = new Map<number, ByteSet>();

/** The set of one byte. */
export function only(byte: number): ByteSet {
  const known = singles.get(byte) ?? new ByteSet([byte]);
  singles.set(byte, known);
  return known;
}
