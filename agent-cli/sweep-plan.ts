import type { Cell } from "../contract/cell/cell.ts";
import { type Curve, expandSweep } from "../contract/cell/expand.ts";
import type { SweepFile } from "../contract/cell/sweep-file.ts";
import { counted } from "../contract/units.ts";
import type { SweepBundle } from "./sweep-bundle.ts";
import { SHORT_ID } from "./cell-view.ts";
import { table, type View } from "./view.ts";

/** What a sweep file would run, and what a node must offer for it. */
export interface Plan {
  readonly name: string;
  readonly summary: string;
  readonly cells: readonly Cell[];
  readonly curves: readonly Curve[];
  /** Cells x blocks. */
  readonly runs: number;
  readonly blocks: number;
  readonly repeats: number;
  readonly warmup: number;
  readonly metrics: SweepFile["metrics"];
  readonly requires: SweepFile["requires"];
}

/** @throws ProblemError UNPROCESSABLE as `expandSweep` */
export function planOf({ sweep, identities }: SweepBundle): Plan {
  const { name, blocks, repeats, warmup, metrics, requires } = sweep;
  const { cells, curves } = expandSweep(sweep, identities);
  const runs = cells.length * blocks;
  const summary = `${counted(cells.length, "cell")} in ${counted(runs, "run")}, each ${counted(repeats, "time")} after ${counted(warmup, "warm-up")}, on ${placeOf(sweep)}`;
  return { name, summary, cells, curves, runs, blocks, repeats, warmup, metrics, requires };
}

/** `nodes with 2 nvidia GPUs (sm_90) and docker` */
function placeOf({ requires: { gpus, vendor, arch }, cell: { runtime } }: SweepFile): string {
  const kind = [vendor, "GPUs", arch === undefined ? undefined : `(${arch})`];
  const wanted = gpus === 0 ? "" : ` ${[gpus, ...kind].filter(Boolean).join(" ")} and`;
  return `nodes with${wanted} ${runtime === "any" ? "docker or process" : runtime}`;
}

/** One line per cell: its axes, then what it executes. */
export function planView({ cells }: Plan): View {
  const axes = [...new Set(cells.flatMap((cell) => Object.keys(cell.axes)))];
  return table(
    ["CELL", ...axes.map((axis) => axis.toUpperCase()), "RUNTIME", "GPUS", "COMMAND"],
    cells.map((cell) => [
      cell.id.slice(0, SHORT_ID),
      ...axes.map((axis) => cell.axes[axis] ?? null),
      cell.runtime,
      cell.gpus,
      cell.command.join(" "),
    ]),
    "no cells",
  );
}
