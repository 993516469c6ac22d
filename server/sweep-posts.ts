import type { EventBody } from "../contract/events/index.ts";
import { newId } from "../contract/ids.ts";
import { MAX_BODY_BYTES } from "../contract/mail/text.ts";
import { postAsServer, type ServerPost } from "../mailbox/server-post.ts";
import { reportOf, type ReportsDeps } from "../reports/handlers.ts";
import { renderMarkdown } from "../reports/render.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import type { LoggedEvent } from "../storage/log.ts";
import { type Reader, runReader } from "../storage/readers.ts";

const BATCH = 50;
/** A post is not read faster than this, and a busy log is then read in fewer batches. */
const GATHER_MS = 25;
const RUN = `select s.thread, r.block, r.state, r.attempt, c.spec, a.holder, a.outcome, a.message, s.primary_metric
  from p_runs r join p_sweeps s on s.id = r.sweep join p_cells c on c.id = r.cell
    left join p_attempts a on a.id = r.attempt_id
  where r.id = $1`;
const VALUES = `select statistic, value, unit from p_samples where attempt = $1 and metric = $2
  order by repeat, statistic`;

export interface SweepPostsDeps {
  readonly log: EventLog;
  readonly reports: ReportsDeps;
  readonly onError: (error: unknown) => void;
}

/** Posts what becomes of sweeps to their threads, as the agent `gridpost`: submission, each result, the report. */
export const startSweepPosts = ({ log, reports, onError }: SweepPostsDeps): Promise<Reader> =>
  runReader(
    {
      log,
      name: "sweep-posts",
      batch: BATCH,
      gatherMs: GATHER_MS,
      transactional: false,
      handle: async (events) => {
        for (const event of events) {
          const entry = await entryOf(reports, event);
          if (entry !== undefined) await postOnce(log, event, entry);
        }
      },
    },
    onError,
  );

type Entry = Omit<ServerPost, "project">;

/** What there is to say about an event, made outside of the transaction: a large report takes long. */
async function entryOf(
  reports: ReportsDeps,
  { type, project, body }: LoggedEvent,
): Promise<Entry | undefined> {
  if (type === "sweep.submitted") return submitted(body as EventBody<"sweep.submitted">);
  if (type === "run.succeeded" || type === "run.failed")
    return result(reports.query, body as EventBody<"run.succeeded">);
  if (type === "sweep.finished")
    return finished(reports, project ?? "", body as EventBody<"sweep.finished">);
  return undefined;
}

/** The event's id is the key of the post, so that a reader that repeats a batch posts nothing twice. */
async function postOnce(log: EventLog, event: LoggedEvent, entry: Entry): Promise<void> {
  const project = event.project ?? "";
  await log.once(
    {
      principal: "server",
      endpoint: `post ${event.type}`,
      key: event.id,
      hash: "",
      ref: newId(),
      keys: [`thread:${project}:${entry.thread}`],
    },
    (tx) => postAsServer(tx, { project, ...entry }),
    (_query, ref) => Promise.resolve(ref),
  );
}

const submitted = ({ name, thread, cells, runs }: EventBody<"sweep.submitted">): Entry => ({
  thread,
  open: true,
  subject: `Sweep ${name}`,
  body: `Submitted: ${cells.length} cells, ${runs.length} runs.`,
});

interface RunRow {
  readonly thread: string;
  readonly block: number;
  readonly state: string;
  readonly attempt: number;
  readonly spec: string;
  readonly holder: string | null;
  readonly outcome: string | null;
  readonly message: string | null;
  readonly primary_metric: string;
}

/** One line on a run that has ended: where in the sweep it is, and its values or its failure. */
async function result(
  query: Query,
  { run, attempt }: EventBody<"run.succeeded">,
): Promise<Entry | undefined> {
  const [row] = await query<RunRow>(RUN, [run]);
  if (row === undefined) return undefined;
  const { axes } = JSON.parse(row.spec) as { axes: Record<string, unknown> };
  const at = Object.entries(axes).map(([name, value]) => `${name}=${String(value)}`);
  const where = [...at, `block ${row.block}`].join(", ");
  const said =
    row.state === "succeeded"
      ? await valuesOf(query, attempt, row.primary_metric)
      : `${row.outcome ?? row.state}: ${row.message ?? "no message"}`;
  const by = row.holder === null ? "" : ` on ${row.holder}`;
  return {
    thread: row.thread,
    open: true,
    subject: `${row.state}: ${where}`.slice(0, 200),
    body: `${said}\n\nAttempt ${row.attempt}${by}, run ${run}.`,
  };
}

async function valuesOf(query: Query, attempt: string, metric: string): Promise<string> {
  const rows = await query<{ statistic: string; value: number; unit: string }>(VALUES, [
    attempt,
    metric,
  ]);
  if (rows.length === 0) return `no value of ${metric}`;
  const values = rows.slice(0, 20).map(({ statistic, value, unit }) => {
    const name = statistic === "value" ? "" : `${statistic} `;
    return `${name}${value} ${unit}`;
  });
  const more = rows.length > 20 ? `, and ${rows.length - 20} more` : "";
  return `${metric}: ${values.join(", ")}${more}`;
}

async function finished(
  reports: ReportsDeps,
  project: string,
  { id, thread }: EventBody<"sweep.finished">,
): Promise<Entry> {
  const report = await reportOf(reports, project, id);
  const text = renderMarkdown(report);
  const fits = Buffer.byteLength(text) <= MAX_BODY_BYTES;
  return {
    thread,
    open: true,
    subject: `Report of sweep ${report.sweep.name}`,
    body: fits ? text : `The report is too long to post: gridpost report ${id}`,
  };
}
