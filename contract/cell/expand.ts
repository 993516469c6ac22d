import type { CellId } from "../ids.ts";
import { ProblemError } from "../problem.ts";
import type { Cell, CellFile, CellSpec } from "./cell.ts";
import { canonicalJson, cellIdOf } from "./cell-id.ts";
import { checkSweep } from "./check.ts";
import { type Combination, combinations } from "./matrix.ts";
import { substitute } from "./placeholders.ts";
import type { SweepFile } from "./sweep-file.ts";

/** The content of an input file by its identity. */
export interface FileIdentity {
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
}

/** The cells of a sweep that differ only in the curve axis, in the order of the sweep file. */
export interface Curve {
  /** The axis values that the cells share. */
  readonly axes: Combination;
  readonly cells: readonly CellId[];
}

/** What a sweep file stands for. */
export interface Expansion {
  /** Each cell once, in the order of the matrix. */
  readonly cells: readonly Cell[];
  /** One curve per group of cells; empty when the matrix declares no curve axis. */
  readonly curves: readonly Curve[];
}

/**
 * Expands a sweep file into its cells. Pure: the same file and file contents give the same cells on every machine.
 * @param files the input files that `cell.files` names, by path
 * @throws ProblemError UNPROCESSABLE with one detail `{path, message}` per problem of the file
 */
export function expandSweep(sweep: SweepFile, files: ReadonlyMap<string, FileIdentity>): Expansion {
  const problems = [...checkSweep(sweep), ...missingFiles(sweep, files)];
  if (problems.length > 0) throw refusal(problems);
  const byId = new Map<CellId, Cell>();
  const spec = specOf(sweep, files);
  for (const axes of combinations(sweep.matrix)) {
    const cell = spec(axes);
    const id = cellIdOf(cell);
    byId.set(id, { id, ...cell });
  }
  const cells = [...byId.values()];
  return { cells, curves: curvesOf(cells, sweep.matrix.curve) };
}

interface Located {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function missingFiles({ cell }: SweepFile, files: ReadonlyMap<string, FileIdentity>): Located[] {
  return cell.files.flatMap((path, i) =>
    files.has(path)
      ? []
      : [{ path: ["cell", "files", i], message: `the input file ${path} was not given` }],
  );
}

function refusal(problems: readonly Located[]): ProblemError {
  const details = problems.map(({ path, message }) => ({ path: path.join("."), message }));
  const first = details[0];
  const more = details.length > 1 ? ` (and ${details.length - 1} more)` : "";
  return new ProblemError("UNPROCESSABLE", `${first?.path}: ${first?.message}${more}`, {
    details,
    next: "gridpost sweep validate FILE",
  });
}

/** How a combination becomes a cell: what all cells share is built once. */
function specOf(
  { cell, requires }: SweepFile,
  files: ReadonlyMap<string, FileIdentity>,
): (axes: Combination) => CellSpec {
  const { memory = null, cpus = null, shm = null, pids = null } = cell.resources;
  const shared = {
    files: [...new Set(cell.files)].toSorted().map((path): CellFile => {
      const { sha256 = "", size = 0 } = files.get(path) ?? {};
      return { path, sha256, size };
    }),
    mounts: cell.mounts,
    runtime: cell.runtime,
    resources: { memory, cpus, shm, pids },
    gpus: requires.gpus,
    vendor: requires.vendor ?? null,
    arch: requires.arch ?? null,
    memory: requires.memory ?? null,
    models: [],
    parser: cell.parser,
  };
  return (axes) => ({
    image: cell.image === undefined ? null : substitute(cell.image, axes),
    command: cell.command.map((text) => substitute(text, axes)),
    env: Object.fromEntries(
      Object.entries(cell.env).map(([name, text]) => [name, substitute(text, axes)]),
    ),
    ...shared,
    axes,
  });
}

function curvesOf(cells: readonly Cell[], curve: string | undefined): Curve[] {
  if (curve === undefined) return [];
  const groups = new Map<string, { axes: Combination; cells: CellId[] }>();
  for (const { id, axes } of cells) {
    if (!Object.hasOwn(axes, curve)) continue;
    const { [curve]: _, ...rest } = axes;
    const key = canonicalJson(rest);
    const group = groups.get(key) ?? { axes: rest, cells: [] };
    group.cells.push(id);
    groups.set(key, group);
  }
  return [...groups.values()];
}
