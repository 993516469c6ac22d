import type { Contract } from "../contract/index.ts";
import type { EndpointReply } from "../contract/endpoint.ts";
import type { EvidenceFile } from "../contract/run.ts";
import type { Query } from "../storage/db.ts";
import { bytesOf } from "./evidence.ts";
import { type LogPage, PAGE_BYTES, readLog } from "./logs.ts";
import type { CellsDeps } from "./ports.ts";
import { findRun } from "./sweep-store.ts";
import { isFinal } from "./state.ts";
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
 * A page of the log of a run's latest attempt from an offset on: live while it runs, and once the run has ended, from the
 * evidence, which lacks least. With `wait` it answers when there is more, or when the run has ended. It is done when the
 * run has ended and nothing follows.
 */
export async function readRunLog(
  { log, blobs }: Pick<CellsDeps, "log" | "blobs">,
  request: LogRequest,
): Promise<LogReply> {
  const { project, run, after, wait, signal } = request;
  const look = async (): Promise<LogReply> => {
    const { attempt_id: attempt, state } = await findRun(log.query, project, run);
    const ended = isFinal(state);
    if (attempt === null) return { attempt, text: "", next: after, done: ended };
    const kept = ended ? await evidenceLog({ query: log.query, blobs }, attempt) : null;
    const page = kept === null ? await readLog(log.query, attempt, after) : pageOf(kept, after);
    return { attempt, ...page, done: ended && page.text === "" };
  };
  await waitUntil(
    log.db,
    async () => {
      const { text, done } = await look();
      return done || text !== "";
    },
    { ms: wait, signal },
  );
  return look();
}

/** A page of whole characters. */
function pageOf(bytes: Buffer, after: number): LogPage {
  let end = Math.min(after + PAGE_BYTES, bytes.length);
  while (end > after && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return { text: bytes.subarray(after, end).toString(), next: Math.max(after, end) };
}

/** What the attempt's report has of its log; null if that is nothing. */
async function evidenceLog(
  { query, blobs }: { readonly query: Query; readonly blobs: CellsDeps["blobs"] },
  attempt: string,
): Promise<Buffer | null> {
  const [row] = await query<{ report: string | null }>(REPORT, [attempt]);
  const { evidence } = JSON.parse(row?.report ?? `{"evidence":[]}`) as { evidence: EvidenceFile[] };
  const file = evidence.find(({ name }) => name === LOG_NAME);
  if (file === undefined || !(await blobs.has(file.sha256))) return null;
  return bytesOf(await blobs.get(file.sha256));
}
