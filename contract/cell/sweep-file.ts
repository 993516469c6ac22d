import { z } from "zod";
import { ByteSize, durationUpTo, moreThanNothing } from "../duration.ts";
import { Name, ThreadId } from "../ids.ts";

/** A value on an axis. */
export const AxisValue = z.union([z.string().max(256), z.number(), z.boolean()]);
export type AxisValue = z.infer<typeof AxisValue>;

const AxisName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,31}$/,
    "must be 1 to 32 lower-case letters, digits or '_', starting with a letter",
  );

/** A choice of axis values; a cell matches it when all of them agree. */
export const AxisChoice = z.record(AxisName, AxisValue);
export type AxisChoice = z.infer<typeof AxisChoice>;

/** A relative path without `..` and control characters (line ends are some), with `/` between its parts. */
export const RelativePath = z
  .string()
  .max(512)
  .regex(
    /^(?:(?!\.{1,2}(?:\/|$))[^\\/\p{Cc}\p{Zl}\p{Zp}]+(?:\/(?!$)|$))+$/u,
    "must be a relative path without '.', '..', backslashes and control characters",
  );

/** Which cells a sweep has, as combinations of axis values. */
export const Matrix = z.strictObject({
  /** Every combination of the axes makes a cell. */
  axes: z.record(AxisName, z.array(AxisValue).min(1).max(1_000)).default({}),
  /** The axis along which cells form a curve, the unit of comparison. */
  curve: AxisName.optional(),
  /** Further combinations, or values added to the combinations that they match. */
  include: z.array(AxisChoice).max(10_000).default([]),
  /** Combinations to leave out. */
  exclude: z.array(AxisChoice).max(10_000).default([]),
});
export type Matrix = z.output<typeof Matrix>;

/** How the values of one repeat are found. `performance` reads the last `performance: <value> <unit>` line of the log. */
export const Parser = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("performance"),
    /** The name of the metric that the line gives. */
    metric: z.string().min(1).max(64).default("performance"),
  }),
  z.strictObject({ kind: z.literal("csv"), file: RelativePath }),
  z.strictObject({ kind: z.literal("json"), file: RelativePath }),
]);
export type Parser = z.infer<typeof Parser>;

/** What executes a cell: a container, a process of the node, or whichever the node offers, containers first. */
export const RuntimeChoice = z.enum(["docker", "process", "any"]);

const EnvName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be an environment variable name");

const minutes = (n: number): number => n * 60_000;

/** A limit beyond it would let a run that hangs keep its node for as good as ever. */
const Span = durationUpTo(30);
const Limit = Span.pipe(moreThanNothing);

/** Time limits of the phases of an attempt. They do not change what is measured, so they are not part of the cell. */
export const Phases = z.strictObject({
  /** Fetching the image and files. */
  setup: z.strictObject({ timeout: Limit.default(minutes(30)) }).prefault({}),
  /** One repeat; `silence` ends it when it prints nothing for so long. */
  run: z
    .strictObject({ timeout: Limit.default(minutes(60)), silence: Limit.optional() })
    .prefault({}),
  /** Between the polite signal and the kill; with `0s` there is only the kill. */
  stop: z.strictObject({ timeout: Span.default(10_000) }).prefault({}),
});
export type Phases = z.infer<typeof Phases>;

/** The same on the wire between server and daemon: milliseconds. */
export const PhaseLimits = z.object({
  setup: z.object({ timeout: z.int() }),
  run: z.object({ timeout: z.int(), silence: z.int().optional() }),
  stop: z.object({ timeout: z.int() }),
});
export type PhaseLimits = z.infer<typeof PhaseLimits>;

/** Processes and threads of a container, at most: a cell may ask for fewer. */
export const MAX_CONTAINER_PIDS = 4_096;

/** Limits of an execution: memory and shared memory in bytes, cores, processes and threads. Left out: see docs/sweeps.md. */
export const Resources = z.strictObject({
  memory: ByteSize.optional(),
  cpus: z.number().positive().max(4_096).optional(),
  shm: ByteSize.optional(),
  pids: z.number().int().min(1).max(4_194_304).optional(),
});

/** A directory of the node, read only; the node's policy must allow its source. */
export const Mount = z.strictObject({
  source: z.string().startsWith("/").max(1_024),
  target: z.string().startsWith("/").max(1_024),
});

/** What all cells of a sweep have in common; the axes fill its placeholders. */
export const CellTemplate = z.strictObject({
  /** By tag or by digest; may be left out only with `runtime: process`. */
  image: z.string().min(1).max(512).optional(),
  /** `${axis}` is replaced; `${files}` and `${out}` are the folders of the input files and of the results. */
  command: z.array(z.string().max(8_192)).min(1).max(256),
  env: z.record(EnvName, z.string().max(32_768)).default({}),
  /** Small input files, relative to the sweep file; their content is part of the cell. */
  files: z.array(RelativePath).max(64).default([]),
  mounts: z.array(Mount).max(32).default([]),
  runtime: RuntimeChoice.default("docker"),
  resources: Resources.prefault({}),
  phases: Phases.prefault({}),
  parser: Parser.prefault({ kind: "performance" }),
});
export type CellTemplate = z.output<typeof CellTemplate>;

/** What a node must offer. `arch` is a GPU architecture (`sm_90`, `gfx942`), `memory` is per GPU. */
export const Requires = z.strictObject({
  gpus: z.number().int().min(0).max(64).default(0),
  vendor: z.enum(["nvidia", "amd"]).optional(),
  arch: z.string().max(64).optional(),
  memory: ByteSize.optional(),
  labels: z.record(Name, z.string().max(256)).default({}),
});

/** A sweep file (YAML or JSON). Unknown keys are refused. */
export const SweepFile = z.strictObject({
  name: Name,
  description: z.string().max(2_000).optional(),
  matrix: Matrix.prefault({}),
  cell: CellTemplate,
  requires: Requires.prefault({}),
  /** Measurements of a cell within one block, one after the other on one node. */
  repeats: z.number().int().min(1).max(1_000).default(1),
  /** Independent blocks of a cell: each is a run of its own, perhaps on another node. */
  blocks: z.number().int().min(1).max(1_000).default(1),
  /** Executions before the first repeat whose values are thrown away. */
  warmup: z.number().int().min(0).max(100).default(0),
  metrics: z.strictObject({
    primary: z.string().min(1).max(64),
    direction: z.enum(["higher", "lower"]).default("higher"),
  }),
  priority: z.number().int().min(-100).max(100).default(0),
  /** How long after a node's last beat its run goes back to the queue. */
  lostAfter: Span.pipe(z.number().min(minutes(5), "must be at least 5m")).default(minutes(30)),
  thread: ThreadId.optional(),
  labels: z.record(Name, z.string().max(256)).default({}),
});
/** A parsed sweep file: durations in milliseconds, sizes in bytes, defaults filled in. */
export type SweepFile = z.output<typeof SweepFile>;
/** A sweep file as it was written: what `submitSweep` takes. */
export type SweepSource = z.input<typeof SweepFile>;
