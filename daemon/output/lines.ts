/** Longest line kept, in characters. */
const LONGEST_LINE = 16_384;
const CUT = " [… line cut]";

/** Puts text together to lines, each with its `\n`; the rest of an overlong line is dropped. */
export class Lines {
  private line = "";
  private cut = false;

  push(text: string): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", from)) {
      this.extend(text.slice(from, at));
      lines.push(this.take());
      from = at + 1;
    }
    this.extend(text.slice(from));
    return lines;
  }

  /** A last line without an end. */
  end(): string[] {
    return this.line === "" ? [] : [this.take()];
  }

  private extend(text: string): void {
    const room = LONGEST_LINE - this.line.length;
    this.line += text.slice(0, room);
    if (text.length > room) this.cut = true;
  }

  private take(): string {
    const line = `${this.line}${this.cut ? CUT : ""}\n`;
    this.line = "";
    this.cut = false;
    return line;
  }
}
