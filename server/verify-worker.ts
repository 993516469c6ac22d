import { parentPort, workerData } from "node:worker_threads";
import { projections } from "./projections.ts";
import { verifyArchive } from "./verify-archive.ts";
import type { VerifyTask } from "./verify-thread.ts";

const { request, ...where } = workerData as VerifyTask;
parentPort?.postMessage(await verifyArchive({ ...where, projections }, request));
