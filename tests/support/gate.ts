import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./eventually.ts";
import { commandLines } from "./processes.ts";

/** Where the script of a process waits for the test: it runs for as long as the test needs, on any machine. */
export interface Gate {
  /** What the script does there. */
  readonly wait: string;
  /** Lets the script go on. */
  open(): Promise<void>;
  /** Lets the script go on, and waits for its end. */
  end(): Promise<void>;
}

/** Makes a closed gate; whoever still waits goes on when the test is over. */
export async function makeGate(): Promise<Gate> {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-gate-"));
  await chmod(folder, 0o755);
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "open");
  const open = (): Promise<void> => writeFile(file, "");
  return {
    wait: `while [ -d ${folder} ] && [ ! -e ${file} ]; do sleep 0.1; done`,
    open,
    end: async () => {
      await open();
      await eventually(async () => {
        const waiting = (await commandLines()).filter((line) => line.includes(folder));
        return waiting.length === 0 ? true : undefined;
      });
    },
  };
}
