import type { Contract } from "../contract/index.ts";
import type { EndpointReply } from "../contract/endpoint.ts";
import type { EvidenceFile } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import { bytesOf } from "./evidence.ts";
import { readLog } from "./logs.ts";
import type { CellsDeps } from "./ports.ts";
import { findRun } from "./sweep-store.ts";
import { isTaken } from "./state.ts";
import { waitUntil } from "./wait.ts";

export interface LogRequest {
  readonly project: string;
  readonly run: string;
  /** Byte offset. */
  readonly after: number;
  readonly wait: number;
  readonly signal: AbortSignal;
}

type LogReply = EndpointReply<Contract["cells"]["runLogs"]>;

const REPORT = "select report from p_attempts where id = $1";
/** The name under which a node sends the log as evidence. */
const LOG_NAME = "log.txt";

/**
 * The log of a run's latest attempt from an offset on: live while it runs, and once that is forgotten, from evidence.
 * With `wait` it answers when there is more, or when the attempt has ended.
 */
export async function readRunLog(
  { log, blobs }: Pick<CellsDeps, "log" | "blobs">,
  request: LogRequest,
): Promise<LogReply> {
  const { project, run, after, wait, signal } = request;
  const look = async (): Promise<LogReply> => {
    const { attempt_id: attempt, state } = await findRun(log.query, project, run);
    const done = !isTaken(state) && state !== "queued";
    if (attempt === null) return { attempt, text: "", next: after, done };
    return { attempt, ...(await readLog(log.query, attempt, after)), done };
  };
  await waitUntil(
    log.db,
    async () => {
      const { text, done } = await look();
      return done || text !== "";
    },
    { ms: wait, signal },
  );
  const live = await look();
  if (live.text !== "" || !live.done || after > 0 || live.attempt === null) return live;
  const kept = await evidenceLog({ query: log.query, blobs }, live.attempt);
  return { ...live, text: kept.toString(), next: kept.length };
}

async function evidenceLog(
  { query, blobs }: { readonly query: Query; readonly blobs: CellsDeps["blobs"] },
  attempt: string,
): Promise<Buffer> {
  const [row] = await query<{ report: string | null }>(REPORT, [attempt]);
  const { evidence } = JSON.parse(row?.report ?? `{"evidence":[]}`) as { evidence: EvidenceFile[] };
  const file = evidence.find(({ name }) => name === LOG_NAME);
  return file === undefined ? Buffer.alloc(0) : bytesOf(await blobs.get(file.sha256));
}
