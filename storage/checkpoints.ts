import { startThread } from "../runtime/thread.ts";
import type { CheckpointAnswer } from "./checkpoint-worker.ts";
import type { Db } from "./db.ts";

const EVERY_MS = 1_000;

/** Checkpoints that go on until they are stopped. */
export interface Checkpoints {
  /** Waits for the one that runs. */
  stop(): Promise<void>;
}

/**
 * Copies what was committed from the write-ahead log of a SQLite database into its file: in a thread of its own, at most
 * once a second. Otherwise a COMMIT now and then does it, and everybody waits for that one.
 * @param onError hears of each failure; the next attempt copies what this one left
 */
export async function startCheckpoints(
  db: Db,
  file: string,
  onError: (error: unknown) => void,
): Promise<Checkpoints> {
  const worker = startThread(new URL("checkpoint-worker.ts", import.meta.url), file);
  worker.on("message", (failure: CheckpointAnswer) => {
    if (failure !== null) onError(new Error(failure));
  });
  worker.on("error", onError);
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => resolve());
  });
  let timer: NodeJS.Timeout | undefined;
  const unlisten = await db.listen(() => {
    timer ??= setTimeout(() => {
      timer = undefined;
      worker.postMessage(true);
    }, EVERY_MS).unref();
  });
  return {
    stop: async () => {
      await unlisten();
      clearTimeout(timer);
      worker.postMessage(false);
      await exited;
    },
  };
}
