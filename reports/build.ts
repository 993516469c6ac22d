import type { Cell } from "../contract/cell/cell.ts";
import { groupBy } from "../contract/group-by.ts";
import { toTime } from "../contract/ids.ts";
import { type Report, REPORT_VERSION } from "../contract/report.ts";
import type { RunState } from "../contract/run.ts";
import type { AttemptRecord, SweepRecord } from "../contract/sweep-record.ts";
import { counted } from "../contract/units.ts";
import { summarise } from "./summary.ts";

const METHOD =
  "Each cell runs its warm-ups, whose values are thrown away, then its repeats, one after the other on one node. " +
  "A cell's figure is the median over all accepted repeats of all its blocks; the spread is the smallest and largest " +
  "value, the scaled median absolute deviation and the coefficient of variation. Failed and fenced-out attempts give no samples. " +
  "Values of different runtimes, and of different images, are never merged into one figure.";

/** The canonical report of a sweep: a function of the record alone, so the same samples give the same bytes. */
export function buildReport(record: SweepRecord): Report {
  const axes = distinct(record.cells.flatMap((cell) => Object.keys(cell.axes)));
  const runsOf = groupBy(record.runs, ({ cell }) => cell);
  const acceptedOf = groupBy(
    record.attempts.filter(({ accepted }) => accepted),
    ({ run }) => run,
  );
  const cells = [...record.cells].sort(byAxes(axes)).flatMap((cell) => {
    const runs = runsOf.get(cell.id) ?? [];
    return cellReports(
      cell,
      runs,
      runs.flatMap(({ id }) => acceptedOf.get(id) ?? []),
    );
  });
  return {
    version: REPORT_VERSION,
    project: record.project,
    sweep: {
      id: record.id as Report["sweep"]["id"],
      name: record.name,
      thread: record.thread,
      submittedAt: toTime(record.submittedAt),
      submittedBy: record.submittedBy,
    },
    headline: headline(record),
    metrics: record.metrics,
    states: record.states,
    axes,
    cells,
    failures: failures(record),
    provenance: provenance(record),
    method: METHOD,
  };
}

const count = (states: SweepRecord["states"], state: RunState): number => states[state] ?? 0;

function headline({ cells, runs, states, attempts }: SweepRecord): string {
  const ok = count(states, "succeeded");
  const open = (["blocked", "queued", "claimed", "running"] as const).reduce(
    (sum, state) => sum + count(states, state),
    0,
  );
  const samples = attempts
    .filter(({ accepted }) => accepted)
    .reduce((sum, { report }) => sum + (report?.samples.length ?? 0), 0);
  const parts = [
    `${ok} of ${counted(runs.length, "run")} succeeded`,
    counted(cells.length, "cell"),
    counted(samples, "sample"),
    ...(runs.length - ok - open > 0 ? [`${runs.length - ok - open} ended without a result`] : []),
    ...(open > 0 ? [`${open} not finished: this report is incomplete`] : []),
  ];
  return parts.join(", ");
}

/** One entry per cell and measuredId: what differs in image or runtime is shown apart, never merged. */
function cellReports(
  cell: Cell,
  runs: SweepRecord["runs"],
  accepted: readonly AttemptRecord[],
): Report["cells"] {
  const groups = groupBy(accepted, ({ measuredId }) => measuredId ?? "");
  if (groups.size === 0) groups.set("", []);
  return [...groups.keys()].sort().map((measuredId) => {
    const attempts = groups.get(measuredId) ?? [];
    return {
      id: cell.id,
      measuredIds: measuredId === "" ? [] : [measuredId],
      axes: cell.axes,
      runs: countBy(runs.map(({ state }) => state)),
      summaries: summarise(attempts.flatMap(({ report }) => report?.samples ?? [])),
      nodes: distinct(attempts.map(({ holder }) => holder.replace(/^node:/, ""))),
      runtimes: distinct(attempts.flatMap(({ report }) => report?.runtime ?? [])),
    };
  });
}

function failures({ runs, cells, attempts }: SweepRecord): Report["failures"] {
  const cellOf = new Map(runs.map(({ id, cell }) => [id, cell]));
  const axesOf = new Map(cells.map(({ id, axes }) => [id as string, axes]));
  return attempts
    .filter(({ accepted }) => !accepted)
    .sort((a, b) => (a.run === b.run ? a.n - b.n : compare(a.run, b.run)))
    .map(({ run, n, outcome, message, holder }: AttemptRecord) => ({
      run,
      axes: axesOf.get(cellOf.get(run) ?? "") ?? {},
      attempt: n,
      outcome,
      message,
      holder,
    }));
}

function provenance({ images, nodes, attempts }: SweepRecord): Report["provenance"] {
  const environments = attempts
    .filter(({ accepted }) => accepted)
    .map(({ report }) => JSON.stringify(sorted(report?.environment ?? {})));
  return {
    images: Object.entries(sorted(images)).map(([image, id]) => ({ image, id })),
    nodes: [...nodes]
      .sort((a, b) => compare(a.name, b.name))
      .map(({ name, inventory }) => ({
        name,
        simulated: inventory.simulated,
        cpu: `${inventory.cpu.count} x ${inventory.cpu.model} (${inventory.cpu.arch})`,
        gpus: inventory.gpus.map((gpu) => `${gpu.name} ${gpu.uuid}`),
        os: inventory.os,
        kernel: inventory.kernel,
        version: inventory.version,
        engine: inventory.engine && `${inventory.engine.name} ${inventory.engine.version}`,
      })),
    environments: distinct(environments).map((text) => JSON.parse(text) as Record<string, string>),
  };
}

const distinct = (values: readonly string[]): string[] => [...new Set(values)].sort();

const sorted = <V>(record: Readonly<Record<string, V>>): Record<string, V> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

function countBy(states: readonly RunState[]): Partial<Record<RunState, number>> {
  const counts: Partial<Record<RunState, number>> = {};
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** Axis by axis, in the order of their names; numbers by value, then everything else by text. */
const byAxes =
  (axes: readonly string[]) =>
  (a: Cell, b: Cell): number => {
    for (const axis of axes) {
      const order = compare(a.axes[axis], b.axes[axis]);
      if (order !== 0) return order;
    }
    return a.id < b.id ? -1 : 1;
  };

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return String(a) < String(b) ? -1 : 1;
}
