import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { AttemptFolder } from "./attempt-folder.ts";
import type { LogChunk, LogPosition } from "./launcher.ts";
import type { LiveLog } from "./live-log.ts";
import { BoundedLog } from "./output/bounded-log.ts";
import { Lines } from "./output/lines.ts";
import { PlainText } from "./output/plain-text.ts";
import { Redactor } from "./output/redactor.ts";
import { PerformanceLine } from "./results/performance.ts";

/** A snapshot counts only once its execution is written down as ended, so each has one of its own. */
const snapshotOf = (n: number): string => `log-${n}.json`;

/** The log of an attempt as it was when its n-th execution had ended; 0 for none. */
export async function restoreLog(folder: AttemptFolder, n: number): Promise<BoundedLog> {
  if (n === 0) return new BoundedLog();
  return BoundedLog.restore(await readFile(join(folder.path, snapshotOf(n)), "utf8"));
}

export async function saveLog(folder: AttemptFolder, n: number, log: BoundedLog): Promise<void> {
  await folder.keep(snapshotOf(n), log.snapshot());
  // The one before is still needed until this one counts.
  await rm(join(folder.path, snapshotOf(n - 2)), { force: true });
}

export interface AttemptLog {
  readonly bounded: BoundedLog;
  readonly live: LiveLog;
  readonly secrets: readonly string[];
}

/** Where the lines go. */
type Target = Pick<AttemptLog, "bounded" | "secrets"> & { readonly live: Pick<LiveLog, "write"> };

/**
 * What one execution prints on its way into the attempt's log: plain text, without secrets, in whole lines. Both
 * streams have a way of their own, so that neither cuts the other's lines.
 */
export class ExecutionLog {
  readonly position: LogPosition = { stdout: 0, stderr: 0 };
  readonly performance = new PerformanceLine();
  private readonly target: Target;
  private readonly ways: Record<LogChunk["stream"], Way>;

  constructor(target: Target, title: string) {
    this.target = target;
    this.ways = { stdout: new Way(target.secrets), stderr: new Way(target.secrets) };
    this.write(`== ${title} ==\n`);
  }

  push({ stream, bytes }: LogChunk): void {
    this.position[stream] += bytes.length;
    for (const line of this.ways[stream].push(bytes)) this.see(line);
  }

  end(): void {
    for (const way of [this.ways.stdout, this.ways.stderr])
      for (const line of way.end()) this.see(line);
  }

  private see(line: string): void {
    this.performance.see(line);
    this.write(line);
  }

  private write(line: string): void {
    this.target.bounded.write(line);
    this.target.live.write(line);
  }
}

/** From bytes to lines. Secrets go before anything is kept or sent. */
class Way {
  private readonly text = new PlainText();
  private readonly redactor: Redactor;
  private readonly lines = new Lines();

  constructor(secrets: readonly string[]) {
    this.redactor = new Redactor(secrets);
  }

  push(bytes: Buffer): string[] {
    return this.lines.push(this.redactor.push(this.text.push(bytes)));
  }

  end(): string[] {
    const rest = this.redactor.push(this.text.end()) + this.redactor.end();
    return [...this.lines.push(rest), ...this.lines.end()];
  }
}
