import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { gitFailed, spawnGit } from "./git-stream.ts";

const EMPTY = Buffer.alloc(0);

/** One long-lived `git cat-file --batch`: the content of objects, one after the other. */
export class CatFile {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly chunks: AsyncIterator<Buffer>;
  private readonly closed: Promise<void>;
  private stderr = "";
  private rest: Buffer = EMPTY;

  constructor(folder: string) {
    this.child = spawnGit(folder, ["cat-file", "--batch"]);
    this.child.stdin.on("error", () => undefined);
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.chunks = this.child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.closed = new Promise((resolve) => {
      this.child.once("error", () => resolve());
      this.child.once("close", () => resolve());
    });
  }

  /** The content of an object. @throws ProblemError INTERNAL when it is missing or damaged */
  async read(object: string): Promise<Buffer> {
    this.child.stdin.write(`${object}\n`);
    const head = await this.line();
    const size = /^[0-9a-f]+ \w+ (\d+)$/.exec(head)?.[1];
    if (size === undefined) throw gitFailed(head);
    const content = await this.take(Number(size) + 1);
    return content.subarray(0, -1);
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    this.child.kill();
    await this.closed;
  }

  private async line(): Promise<string> {
    let end = this.rest.indexOf(10);
    while (end < 0) {
      await this.more();
      end = this.rest.indexOf(10);
    }
    return (await this.take(end + 1)).subarray(0, -1).toString();
  }

  private async take(size: number): Promise<Buffer> {
    const parts = [this.rest];
    let have = this.rest.length;
    while (have < size) {
      this.rest = EMPTY;
      await this.more();
      parts.push(this.rest);
      have += this.rest.length;
    }
    const all = parts.length === 1 ? this.rest : Buffer.concat(parts);
    this.rest = all.subarray(size);
    return all.subarray(0, size);
  }

  private async more(): Promise<void> {
    const next = await this.chunks.next();
    if (next.done === true) {
      await this.closed;
      throw gitFailed(this.stderr.trim() || "cat-file has ended");
    }
    this.rest = this.rest.length === 0 ? next.value : Buffer.concat([this.rest, next.value]);
  }
}
