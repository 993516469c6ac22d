import { canonicalJson, sha256 } from "../contract/cell/cell-id.ts";
import type { Gpu } from "../contract/inventory.ts";

/** One execution of a cell's command, as a launcher is asked for it. Nothing else reaches an engine. */
export interface Launch {
  /** `gridpost-<attempt>-<n>`: the same execution always has the same name. */
  readonly name: string;
  readonly attempt: string;
  /** 0 and below are warm-ups, 1 and above are repeats. */
  readonly repeat: number;
  /** A repo digest or an image id, never a tag; null for the process runtime. */
  readonly image: string | null;
  /** `${files}` and `${out}` stand for the folders below, as the command sees them. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Input files, read only. */
  readonly files: string;
  /** Where results are written. */
  readonly out: string;
  readonly mounts: readonly { readonly source: string; readonly target: string }[];
  /** The GPUs that it may use; device nodes only where the vendor's way needs them. */
  readonly gpus: readonly Pick<Gpu, "uuid" | "vendor">[];
  readonly devices: readonly { readonly path: string; readonly gid: number }[];
  /** The cores that it runs on, of a runtime that keeps it there; empty: any. */
  readonly cores: readonly number[];
  /** Bytes, cores and counts; null: no limit of its own. */
  readonly limits: {
    readonly memory: number | null;
    readonly cpus: number | null;
    readonly shm: number | null;
    readonly pids: number | null;
  };
}

/** What became of a launch. */
export interface Launched {
  readonly id: string;
  readonly name: string;
  readonly attempt: string;
  /** `specOf` its launch. */
  readonly spec: string;
  readonly state: "created" | "running" | "exited";
  /** null while it runs, and when it ended in a way that nobody saw. */
  readonly exitCode: number | null;
  /** Something in it was killed for memory, whatever its exit code says. */
  readonly oom: boolean;
  /** How long it ran; null while it has not ended. */
  readonly durationMs: number | null;
  /** Wall clock, milliseconds; null while it has not ended, and when nobody saw its end. */
  readonly endedAt: number | null;
  /** Wall clock, milliseconds. */
  readonly createdAt: number;
}

export interface LogChunk {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
  /** How many bytes printed behind these wait to be read; left out where nobody can tell. */
  readonly waiting?: number;
}

/** How many bytes of each stream have been read. */
export interface LogPosition {
  stdout: number;
  stderr: number;
}

export interface LogsOptions {
  readonly from: Readonly<LogPosition>;
  readonly signal: AbortSignal;
}

export interface Engine {
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
}

/**
 * Starts and watches executions of one runtime. It sees and touches only what carries this installation's mark. Every
 * call has a time-out of its own; the methods throw EngineGoneError when the engine does not answer, which says
 * nothing about what runs in it.
 */
export interface Launcher {
  readonly runtime: "docker" | "process";
  /** Proves that the engine answers; null for a runtime that has none. */
  engine(): Promise<Engine | null>;
  /**
   * The image frozen for a reference: the repo digest, or the id of a local image; fetched when it is missing.
   * @throws LaunchError when there is no such image
   */
  resolveImage(reference: string, signal: AbortSignal): Promise<FrozenImage>;
  /** Images that are here: every name they have -> their frozen form. */
  images(): Promise<Record<string, string>>;
  /** Makes it, not started; answers with the one that exists if this launch was created before. */
  create(launch: Launch): Promise<Launched>;
  /**
   * Starts what is `created`. Never call it for anything else: an engine runs an exited container again.
   * @throws LaunchError when the command cannot be run
   */
  start(id: string): Promise<void>;
  /** By id or name; null when there is none. */
  inspect(id: string): Promise<Launched | null>;
  /** Until it has ended, or the signal. */
  wait(id: string, signal: AbortSignal): Promise<void>;
  /** What it prints, from the beginning or from a known position, until it has ended or the signal. */
  logs(id: string, options: LogsOptions): AsyncIterable<LogChunk>;
  /** Asks it to end, kills it after the grace, and returns when it has ended. */
  stop(id: string, graceMs: number): Promise<void>;
  /** Removes what has ended or never began. Removing what is gone is no error. */
  remove(id: string): Promise<void>;
  /** Everything with the mark of this installation, in any state. */
  list(): Promise<Launched[]>;
}

export interface FrozenImage {
  /** What the container is created from: `sha256:…`. */
  readonly id: string;
  /** What results name: the repo digest, or the id of an image that was never in a registry. */
  readonly frozen: string;
}

/** The engine does not answer. What runs in it runs on, as far as anybody knows. */
export class EngineGoneError extends Error {
  constructor(what: string, cause: unknown) {
    super(`the container engine does not answer (${what}): ${messageOf(cause)}`, { cause });
    this.name = "EngineGoneError";
  }
}

/** The launch cannot be carried out here, and the engine said why. */
export class LaunchError extends Error {
  /** True when the cell is wrong (no such command), so that another node would say the same. */
  readonly cellsFault: boolean;

  constructor(message: string, options: { cellsFault?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "LaunchError";
    this.cellsFault = options.cellsFault ?? false;
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export const executionName = (attempt: string, n: number): string => `gridpost-${attempt}-${n}`;

/** Identifies what a launch asks for: a container of the same name with another spec is not ours to adopt. */
export const specOf = (launch: Launch): string => sha256(canonicalJson(launch));

/** The command and environment as they are seen by the process, with `${files}` and `${out}` filled in. */
export function fillIn(
  launch: Launch,
  folders: { readonly files: string; readonly out: string },
): { command: string[]; env: Record<string, string> } {
  const fill = (text: string): string =>
    text.replaceAll(/\$\{(files|out)\}/g, (_, folder: "files" | "out") => folders[folder]);
  return {
    command: launch.command.map(fill),
    env: Object.fromEntries(Object.entries(launch.env).map(([name, value]) => [name, fill(value)])),
  };
}
