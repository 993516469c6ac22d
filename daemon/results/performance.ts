import { accept, type Parsed, readNumber, refuse } from "./reading.ts";

const LINE = /^\s*performance:\s*(\S+)(?:\s+(\S.*?))?\s*$/;

/** Watches the lines of one execution and keeps the last `performance: <value> <unit>`. */
export class PerformanceLine {
  private last:
    | { readonly line: string; readonly value: string; readonly unit: string }
    | undefined;

  see(line: string): void {
    // Most lines are not it: no expression is run over them.
    if (!line.includes("performance:")) return;
    const match = LINE.exec(line);
    if (match !== null)
      this.last = { line: line.trim(), value: match[1] ?? "", unit: match[2] ?? "" };
  }

  read(metric: string): Parsed {
    if (this.last === undefined) return refuse("the log has no line `performance: <value> <unit>`");
    const { line, unit } = this.last;
    const value = readNumber(this.last.value);
    if (value === undefined) return refuse(`"${line.slice(0, 200)}" gives no number`);
    if (!Number.isFinite(value)) return refuse(`"${line.slice(0, 200)}" is not a finite number`);
    if (unit.length > 32)
      return refuse(`the unit in "${line.slice(0, 200)}" is longer than 32 characters`);
    return accept([{ metric, statistic: "value", value, unit, n: 1 }], "the log");
  }
}
