import { describe, expect, it } from "vitest";
import { ExecutionLog } from "../../daemon/attempt-log.ts";
import { BoundedLog } from "../../daemon/output/bounded-log.ts";

/** A log without a server. */
function makeLog(secrets: string[] = []) {
  const bounded = new BoundedLog();
  const sent: string[] = [];
  const live = { write: (line: string) => void (sent.length < 100 && sent.push(line)) };
  return { bounded, sent, log: new ExecutionLog({ bounded, live, secrets }, "repeat 1 of 1") };
}

describe("the log of an execution", () => {
  it("keeps the lines of both streams whole", () => {
    const { log, bounded } = makeLog();
    log.push({ stream: "stdout", bytes: Buffer.from("one ") });
    log.push({ stream: "stderr", bytes: Buffer.from("two\nthr") });
    log.push({ stream: "stdout", bytes: Buffer.from("four\n") });
    log.end();
    expect(bounded.text()).toBe("== repeat 1 of 1 ==\ntwo\none four\nthr\n");
    expect(log.position).toEqual({ stdout: 9, stderr: 7 });
  });

  it("stays small under a flood, with and without line ends, and still finds the last value", () => {
    const { log, bounded } = makeLog(["a-secret-value"]);
    const lines = Buffer.from(`${"x".repeat(99)}\n`.repeat(640));
    const binary = Buffer.alloc(64_000, 0xe2);
    global.gc?.();
    const before = process.memoryUsage().rss;
    let most = 0;
    for (let i = 0; i < 2_000; i += 1) {
      log.push({ stream: i % 2 === 0 ? "stdout" : "stderr", bytes: i % 2 === 0 ? lines : binary });
      if (i % 100 === 0) most = Math.max(most, process.memoryUsage().rss);
    }
    log.push({ stream: "stdout", bytes: Buffer.from("performance: 4 x\n") });
    log.end();
    expect(log.performance.read("m")).toMatchObject({ readings: [{ value: 4 }] });
    expect(Buffer.byteLength(bounded.text())).toBeLessThan(5.2 * 2 ** 20);
    expect(most - before).toBeLessThan(200 * 2 ** 20);
  });
});
