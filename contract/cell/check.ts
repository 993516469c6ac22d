import { didYouMean } from "../suggest.ts";
import { isImage } from "./image.ts";
import { axisNames, combinations, productSize } from "./matrix.ts";
import { NODE_PLACEHOLDERS, placeholdersIn, substitute, templateTexts } from "./placeholders.ts";
import { type AxisValue, MAX_CONTAINER_PIDS, type SweepFile } from "./sweep-file.ts";

/** The most cells of one sweep. */
export const MAX_CELLS = 10_000;
/** The most runs of one: cells times blocks. */
export const MAX_RUNS = 50_000;
/** The most bytes of all cells of a sweep together: each of them holds the whole template. */
const MAX_BYTES = 32 * 1_048_576;
/** The most comparisons of combinations with the values of `include` and `exclude` entries. */
const MAX_MATCHES = 10_000_000;

/** Something wrong with a sweep file that its schema cannot see. */
export interface SweepProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** Other places that the finding rests on: it means nothing where one of them is wrong itself. */
  readonly reads: readonly (readonly (string | number)[])[];
}

/** Everything that is wrong with a sweep file that fits its schema; an empty list if it can be expanded. */
export function checkSweep(sweep: SweepFile): SweepProblem[] {
  const problems = [
    ...axisProblems(sweep),
    ...valueProblems(sweep),
    ...excludeProblems(sweep),
    ...placeholderProblems(sweep),
    ...templateProblems(sweep),
    ...stopProblems(sweep),
  ];
  return [...problems, ...sizeProblems(sweep, problems.length === 0)];
}

function axisProblems({ matrix }: SweepFile): SweepProblem[] {
  const names = axisNames(matrix);
  const reserved = [...NODE_PLACEHOLDERS].filter((name) => Object.hasOwn(matrix.axes, name));
  const problems = reserved.map((name) => ({
    path: ["matrix", "axes", name],
    message: `an axis cannot be called "${name}": \${${name}} is a folder on the node`,
    reads: [],
  }));
  const { curve } = matrix;
  if (curve === undefined || names.has(curve)) return problems;
  const message = `there is no axis "${curve}"${didYouMean(curve, names)}`;
  return [...problems, { path: ["matrix", "curve"], message, reads: namesRead(curve) }];
}

/** Values that would be another measurement than the one that was written, or the same once more. */
function valueProblems({ matrix: { axes, include } }: SweepFile): SweepProblem[] {
  const onAxes = Object.entries(axes).flatMap(([axis, values]) =>
    values.map((value, i) => {
      const first = values.indexOf(value);
      const twice = first < i ? `${JSON.stringify(value)} is on the axis twice` : undefined;
      return { path: ["matrix", "axes", axis, i], message: unsafe(value) ?? twice };
    }),
  );
  const added = include.flatMap((entry, i) =>
    Object.entries(entry).map(([axis, value]) => ({
      path: ["matrix", "include", i, axis],
      message: unsafe(value),
    })),
  );
  return [...onAxes, ...added].flatMap(({ path, message }) =>
    message === undefined ? [] : [{ path, message, reads: [] }],
  );
}

/** Beyond this, whole numbers are read as one of their neighbours. */
const unsafe = (value: AxisValue): string | undefined =>
  typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER
    ? `a number so large is read as ${value}: write it in quotes`
    : undefined;

/** What makes an axis name known. */
const namesRead = (name: string): SweepProblem["reads"] => [
  ["matrix", "axes", name],
  ["matrix", "include"],
];

function excludeProblems({ matrix: { axes, exclude } }: SweepFile): SweepProblem[] {
  return exclude.flatMap((entry, i) =>
    Object.entries(entry).flatMap(([axis, value]) => {
      const values = Object.hasOwn(axes, axis) ? axes[axis] : undefined;
      if (values?.includes(value) === true) return [];
      const message =
        values === undefined
          ? `exclude names the axis "${axis}", which "matrix.axes" does not have${didYouMean(axis, Object.keys(axes))}`
          : `the axis "${axis}" has no value ${JSON.stringify(value)}; it has ${list(values)}`;
      return [{ path: ["matrix", "exclude", i, axis], message, reads: [["matrix", "axes", axis]] }];
    }),
  );
}

function placeholderProblems({ matrix, cell }: SweepFile): SweepProblem[] {
  const names = axisNames(matrix);
  return templateTexts(cell).flatMap(({ path, text }) =>
    [...new Set(placeholdersIn(text))]
      .filter((name) => !names.has(name))
      .map((name) => ({
        path,
        message: `\${${name}} names no axis${didYouMean(name, [...names, ...NODE_PLACEHOLDERS])}; a variable of the shell is written $${name}`,
        reads: namesRead(name),
      })),
  );
}

function templateProblems({ cell, metrics, requires }: SweepFile): SweepProblem[] {
  const problems: SweepProblem[] = [];
  if (cell.image === undefined && cell.runtime !== "process") {
    const message = `an image is needed with runtime "${cell.runtime}"; only "process" does without`;
    problems.push({ path: ["cell", "image"], message, reads: [["cell", "runtime"]] });
  }
  if (cell.parser.kind === "performance" && cell.parser.metric !== metrics.primary) {
    const message = `the parser gives the metric "${cell.parser.metric}", not "${metrics.primary}"; set cell.parser.metric to "${metrics.primary}"`;
    problems.push({ path: ["metrics", "primary"], message, reads: [["cell", "parser"]] });
  }
  const gpuOnly = (["vendor", "arch", "memory"] as const).filter(
    (key) => requires.gpus === 0 && requires[key] !== undefined,
  );
  for (const key of gpuOnly) {
    const message = `"${key}" describes GPUs, but requires.gpus is 0`;
    problems.push({ path: ["requires", key], message, reads: [["requires", "gpus"]] });
  }
  return [...problems, ...containerProblems(cell)];
}

/** With less, the kernel or the engine refuses to make a container. */
const LEAST_CPUS = 0.01;
const LEAST_MEMORY = 6 * 1_048_576;

/** Limits that no container can have: refused here, not cut, and not left to each node and its engine's words. */
function containerProblems({ runtime, resources }: SweepFile["cell"]): SweepProblem[] {
  if (runtime === "process") return [];
  const { cpus = LEAST_CPUS, memory = LEAST_MEMORY, pids = 1 } = resources;
  const limit = (key: string, message: string): SweepProblem => ({
    path: ["cell", "resources", key],
    message: `a container has at ${message}`,
    reads: [["cell", "runtime"]],
  });
  return [
    ...(cpus < LEAST_CPUS ? [limit("cpus", `least ${LEAST_CPUS} cores`)] : []),
    ...(memory < LEAST_MEMORY ? [limit("memory", `least ${LEAST_MEMORY / 1_048_576}MiB`)] : []),
    ...(pids > MAX_CONTAINER_PIDS
      ? [limit("pids", `most ${MAX_CONTAINER_PIDS} processes and threads`)]
      : []),
  ];
}

/** A node that is cut off stops its work before `lostAfter`: with a long farewell it would have to do so at once. */
function stopProblems({ cell, lostAfter }: SweepFile): SweepProblem[] {
  if (cell.phases.stop.timeout <= lostAfter / 2) return [];
  const message = `must be at most half of lostAfter, ${lostAfter / 2_000}s; raise lostAfter or give it less time to stop`;
  return [{ path: ["cell", "phases", "stop", "timeout"], message, reads: [["lostAfter"]] }];
}

function sizeProblems(sweep: SweepFile, expandable: boolean): SweepProblem[] {
  const { matrix, blocks } = sweep;
  const size = productSize(matrix);
  const matches = size * [...matrix.include, ...matrix.exclude].flatMap(Object.keys).length;
  const tooLarge = (message: string): SweepProblem[] => [{ path: ["matrix"], message, reads: [] }];
  if (size > 10 * MAX_CELLS || matches > MAX_MATCHES)
    return tooLarge(`the axes make ${size} combinations: too many; split the sweep`);
  if (!expandable) return [];
  const all = combinations(matrix);
  if (all.length === 0) return tooLarge("exclude leaves no cell");
  if (all.length > MAX_CELLS)
    return tooLarge(`${all.length} cells; a sweep has at most ${MAX_CELLS}`);
  if (all.length * blocks > MAX_RUNS)
    return tooLarge(`${all.length} cells x ${blocks} blocks; a sweep has at most ${MAX_RUNS} runs`);
  const bytes = cellBytes(sweep);
  if (all.length * bytes > MAX_BYTES)
    return tooLarge(
      `${all.length} cells of ${bytes} bytes; the cells of a sweep have at most ${MAX_BYTES} together: put what is large into an input file`,
    );
  return [...missingValues(sweep, all), ...imageProblems(sweep, all)];
}

/** What no engine could know: found here, and not by each node that tries. */
function imageProblems({ cell }: SweepFile, all: ReturnType<typeof combinations>): SweepProblem[] {
  const { image = "" } = cell;
  if (image === "") return [];
  const wrong = all.map((axes) => substitute(image, axes)).find((one) => !isImage(one));
  if (wrong === undefined) return [];
  const message = `${JSON.stringify(wrong)} is no image: write [host[:port]/]name[:tag][@digest], the name in lower case, or an id`;
  return [{ path: ["cell", "image"], message, reads: [["matrix"]] }];
}

/** What the JSON of a file's hash and size takes besides its path. */
const FILE_BYTES = 100;

/** The most bytes that a cell can take: those of the template, with the longest value of every axis. */
function cellBytes({ matrix, cell }: SweepFile): number {
  const longest = new Map<string, number>();
  const see = (axis: string, value: AxisValue): unknown =>
    longest.set(axis, Math.max(longest.get(axis) ?? 0, jsonBytes(value)));
  for (const [axis, values] of Object.entries(matrix.axes))
    for (const one of values) see(axis, one);
  for (const [axis, value] of matrix.include.flatMap(Object.entries<AxisValue>)) see(axis, value);
  const axes = [
    ...longest.keys(),
    ...templateTexts(cell).flatMap(({ text }) => placeholdersIn(text)),
  ];
  return axes.reduce(
    (bytes, axis) => bytes + axis.length + (longest.get(axis) ?? 0),
    jsonBytes(cell) + FILE_BYTES * cell.files.length,
  );
}

const jsonBytes = (value: unknown): number =>
  new TextEncoder().encode(JSON.stringify(value)).length;

/** A placeholder of an axis that some combination, made by `include`, has no value for. */
function missingValues({ cell }: SweepFile, all: ReturnType<typeof combinations>): SweepProblem[] {
  return templateTexts(cell).flatMap(({ path, text }) =>
    [...new Set(placeholdersIn(text))].flatMap((name) => {
      const without = all.find((one) => !Object.hasOwn(one, name));
      if (without === undefined) return [];
      const message = `\${${name}} has no value in the cell ${JSON.stringify(without)}`;
      return [{ path, message, reads: [["matrix"]] }];
    }),
  );
}

const list = (values: readonly unknown[]): string =>
  values
    .slice(0, 10)
    .map((value) => JSON.stringify(value))
    .join(", ") + (values.length > 10 ? ", …" : "");
