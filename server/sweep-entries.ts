import type { EventBody } from "../contract/events/index.ts";
import { MAX_BODY_BYTES } from "../contract/mail/limits.ts";
import { toSubject } from "../contract/mail/text.ts";
import { counted } from "../contract/units.ts";
import type { ServerPost } from "../mailbox/server-post.ts";
import type { MakeReport } from "../reports/ports.ts";
import type { Query } from "../storage/db.ts";

const RUN = `select s.thread, s.name, r.block, r.state, r.attempt, c.spec, a.holder, a.outcome, a.message, s.primary_metric
  from p_runs r join p_sweeps s on s.id = r.sweep join p_cells c on c.id = r.cell
    left join p_attempts a on a.run = r.id and a.n = r.attempt
  where r.id = $1`;
const VALUES = `select statistic, value, unit from p_samples where attempt = $1 and metric = $2
  order by repeat, statistic`;

/** An entry in the thread of a sweep. */
export type SweepEntry = Pick<ServerPost, "thread" | "subject" | "body">;

/** That the sweep is there, and how much it is. */
export const submissionEntry = ({
  name,
  thread,
  cells,
  runs,
}: EventBody<"sweep.submitted">): SweepEntry => ({
  thread,
  subject: `Sweep ${name}`,
  body: `Submitted: ${counted(cells.length, "cell")}, ${counted(runs.length, "run")}.`,
});

interface RunRow {
  readonly thread: string;
  readonly name: string;
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
export async function resultEntry(
  query: Query,
  { run, attempt }: Pick<EventBody<"run.succeeded">, "run" | "attempt">,
): Promise<SweepEntry | undefined> {
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
    subject: toSubject(
      row.state === "succeeded" ? `succeeded: ${where}` : `${row.state}: ${where} of ${row.name}`,
    ),
    body: `${said}\n\nAttempt ${row.attempt}${by}, run ${run} of sweep ${row.name}.`,
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

/** The report of a sweep that has ended. */
export async function reportEntry(
  make: MakeReport,
  project: string,
  { id, thread }: EventBody<"sweep.finished">,
): Promise<SweepEntry> {
  const { name, text } = await make({ project, sweep: id, format: "md" });
  const fits = text !== null && Buffer.byteLength(text) <= MAX_BODY_BYTES;
  return {
    thread,
    subject: `Report of sweep ${name}`,
    body: fits ? text : `The report is too long to post: gridpost report ${id}`,
  };
}

/** That a sweep has ended, where its report cannot be made. */
export const endEntry = (
  { id, thread, states }: EventBody<"sweep.finished">,
  reason: string,
): SweepEntry => ({
  thread,
  subject: `Sweep ${id} has ended`,
  body: `${countsText(states)}.\n\nIts report could not be made: ${reason}`,
});

/** `3 succeeded, 1 failed`. */
export const countsText = (states: Readonly<Partial<Record<string, number>>>): string =>
  Object.entries(states)
    .map(([state, runs]) => `${runs} ${state}`)
    .join(", ");
