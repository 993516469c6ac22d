import { StringDecoder } from "node:string_decoder";

// The characters to take out are control characters, by number.
/* oxlint-disable no-control-regex */
/** Terminal sequences (ECMA-48): CSI, OSC, and those of two characters. */
const SEQUENCE =
  /\u001b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\u0007\u001b]{0,512}(?:\u0007|\u001b\\)|[@-Z\\^_])/g;
/** The start of one at the end of the text, or a `\r` that may be half of a `\r\n`. */
const UNFINISHED = /(?:\u001b(?:\[[0-?]{0,64}[ -/]{0,8}|\][^\u0007\u001b]{0,512}\u001b?)?|\r)$/;
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029]/g;
/* oxlint-enable no-control-regex */

const clean = (text: string): string =>
  text.replaceAll(SEQUENCE, "").replaceAll(/\r\n?/g, "\n").replaceAll(CONTROLS, "");

/**
 * Turns raw bytes that come in pieces into plain text: invalid UTF-8 becomes U+FFFD, terminal sequences and control
 * characters go, `\r\n` and `\r` become `\n`. The result does not depend on where the pieces were cut.
 */
export class PlainText {
  private readonly decoder = new StringDecoder("utf8");
  private held = "";

  push(bytes: Buffer): string {
    const text = this.held + this.decoder.write(bytes);
    // An unfinished sequence is at most 580 characters long: no need to look at more.
    const start = Math.max(0, text.length - 600);
    const found = UNFINISHED.exec(text.slice(start));
    const cut = found === null ? text.length : start + found.index;
    this.held = text.slice(cut);
    return clean(text.slice(0, cut));
  }

  /** The end of the bytes: gives what was held back. */
  end(): string {
    const text = this.held + this.decoder.end();
    this.held = "";
    return clean(text);
  }
}
