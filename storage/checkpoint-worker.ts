import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";

/** What the worker answers: null, or why it failed. */
export type CheckpointAnswer = string | null;

const database = new Database(workerData as string);

function checkpoint(): CheckpointAnswer {
  try {
    // Passive: it waits for nobody, and nobody for it.
    database.pragma("wal_checkpoint(passive)");
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

parentPort?.on("message", (goOn: boolean) => {
  if (goOn) {
    parentPort?.postMessage(checkpoint());
    return;
  }
  database.close();
  parentPort?.close();
});
