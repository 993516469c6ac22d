import { parentPort, workerData } from "node:worker_threads";
import { ProblemError } from "../contract/problem.ts";
import { projections } from "./projections.ts";
import { verifyArchive } from "./verify-archive.ts";
import type { VerifyReply, VerifyTask } from "./verify-thread.ts";

async function reply({ request, ...where }: VerifyTask): Promise<VerifyReply> {
  try {
    return { answer: await verifyArchive({ ...where, projections }, request) };
  } catch (error) {
    // Between threads an error keeps its message alone.
    if (error instanceof ProblemError) return { problem: error.toProblem() };
    throw error;
  }
}

parentPort?.postMessage(await reply(workerData as VerifyTask));
