import type { GrantedRun } from "../contract/cells.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import { type AttemptLog, ExecutionLog, saveLog } from "./attempt-log.ts";
import { choose, layBy } from "./evidence.ts";
import { followExecution } from "./follow.ts";
import {
  EngineGoneError,
  executionName,
  type Launch,
  type Launched,
  LaunchError,
  type Launcher,
  specOf,
} from "./launcher.ts";
import { DetachedError, type Node } from "./node.ts";
import { type Collected, collect } from "./results/collect.ts";
import { judge } from "./results/outcome.ts";
import { readResults } from "./results/read-results.ts";
import type { Ended, ExecutionRow, StopReason } from "./spool-rows.ts";

/** What the executions of one attempt have in common. */
export interface AttemptParts {
  readonly node: Node;
  readonly run: GrantedRun;
  readonly launcher: Launcher;
  readonly folder: AttemptFolder;
  readonly log: AttemptLog;
  /** The launch but for what differs between executions. */
  readonly launch: Omit<Launch, "name" | "repeat" | "out">;
  /** Why the attempt was told to end; null while it may go on. */
  readonly stopReason: () => StopReason | null;
}

export interface Step {
  /** Counts the executions of an attempt from 1. */
  readonly n: number;
  readonly repeat: number;
}

/** The executions of a run, in order: warm-ups, then repeats. */
export function stepsOf({ warmup, repeats }: Pick<GrantedRun, "warmup" | "repeats">): Step[] {
  return Array.from({ length: warmup + repeats }, (_, i) => ({ n: i + 1, repeat: i + 1 - warmup }));
}

export const isWarmup = ({ repeat }: Step): boolean => repeat < 1;

/**
 * Carries out one execution, or goes on with what an earlier life of the daemon has begun: each step is written to the
 * spool before it is taken, and each first looks at what is there, so that a container is started at most once.
 * @throws DetachedError, LaunchError, EngineGoneError when told to stop while the engine is away
 */
export async function execute(parts: AttemptParts, step: Step): Promise<Ended> {
  const { node, run, launcher } = parts;
  const attempt = run.attempt.id;
  const row = node.spool.executions(attempt).find(({ n }) => n === step.n);
  if (row?.ended) {
    await clearUp(parts, step, row.ended);
    return row.ended;
  }
  const log = new ExecutionLog(parts.log, titleOf(run, step));
  const launch = await launchOf(parts, step);
  const found = await ensureCreated(parts, { n: step.n, launch, row });
  if (found === null) return finish(parts, step, { log, last: null, stop: parts.stopReason() });
  node.spool.created(attempt, step.n, found.id);
  const startedMs = await parts.folder.startMark(step.n);
  if (found.state === "created") {
    // What an earlier life has prepared begins only after the server has renewed its lease.
    await node.contact.first(node.detach);
    if (node.detach.aborted) throw new DetachedError();
    const stop = parts.stopReason();
    if (stop !== null) return finish(parts, step, { log, last: found, stop });
    await startOnce(parts, found.id);
  }
  node.spool.started(attempt, step.n, node.clock.monotonic());
  const following = { id: found.id, n: step.n, log, lastedMs: found.durationMs };
  const stop = await followExecution(parts, following);
  const last = await node.engines.answered(node.detach, () => launcher.inspect(found.id));
  return finish(parts, step, { log, last, startedMs, stop });
}

function titleOf({ warmup, repeats }: GrantedRun, step: Step): string {
  return isWarmup(step) ? `warm-up ${step.n} of ${warmup}` : `repeat ${step.repeat} of ${repeats}`;
}

async function launchOf({ launch, folder }: AttemptParts, { n, repeat }: Step): Promise<Launch> {
  return {
    ...launch,
    name: executionName(launch.attempt, n),
    repeat,
    out: await folder.makeOut(n),
  };
}

interface Wanted {
  readonly n: number;
  readonly launch: Launch;
  /** What an earlier life has written down. */
  readonly row: ExecutionRow | undefined;
}

/** What there is to start or to follow; null when it was there in an earlier life and has vanished. */
async function ensureCreated(
  { node: { engines, spool, detach }, launcher }: AttemptParts,
  { n, launch, row }: Wanted,
): Promise<Launched | null> {
  const { attempt, name } = launch;
  return engines.answered(detach, async () => {
    const there = await launcher.inspect(name);
    if (there === null && row !== undefined && row.state !== "creating") return null;
    if (there !== null && !isWanted(there, launch, row))
      throw new LaunchError(`an execution ${name} exists and is not the one to create`);
    spool.creating(attempt, n, there?.spec ?? specOf(launch));
    return there ?? launcher.create(launch);
  });
}

/**
 * Whether it is what was asked for: by this version of the daemon, or by the one that wrote the row, which may have
 * described the same launch in another way.
 */
const isWanted = ({ spec }: Launched, launch: Launch, row: ExecutionRow | undefined): boolean =>
  spec === specOf(launch) || (row !== undefined && (row.spec ?? spec) === spec);

/** A start whose answer was lost may have happened: only what is still `created` is started. */
async function startOnce({ node, launcher }: AttemptParts, id: string): Promise<void> {
  await node.engines.answered(node.detach, async () => {
    const now = await launcher.inspect(id);
    if (now?.state === "created") await launcher.start(id);
  });
}

interface Finished {
  readonly log: ExecutionLog;
  /** null: it has vanished. */
  readonly last: Launched | null;
  /** Why it was told to end, if it was before it had. */
  readonly stop: StopReason | null;
  /** Missing when it never started. */
  readonly startedMs?: number;
}

/** Judges an ended execution, writes everything down, and only then lets the engine forget it. */
async function finish(parts: AttemptParts, step: Step, finished: Finished): Promise<Ended> {
  const { node, run, folder } = parts;
  finished.log.end();
  if (finished.last?.state !== "created") await endRest(parts, step);
  const ended = await endedOf(parts, step, finished);
  await saveLog(folder, step.n, parts.log.bounded);
  node.spool.ended(run.attempt.id, step.n, ended);
  await clearUp(parts, step, ended);
  return ended;
}

/** Ends what an ended command has left running: its files must stay as they are read. */
async function endRest({ node, run, launcher }: AttemptParts, { n }: Step): Promise<void> {
  const name = executionName(run.attempt.id, n);
  await node.engines.answered(node.detach, () => launcher.stop(name, 0));
}

/** Leaves nothing of an ended execution but the files that back its result. */
async function clearUp(parts: AttemptParts, step: Step, { files }: Ended): Promise<void> {
  const { node, run, folder } = parts;
  const name = executionName(run.attempt.id, step.n);
  await removeExecution(parts, name);
  try {
    await layBy(folder, step, files);
  } catch (error) {
    node.log.warn({ name, error: String(error) }, "cannot clear the folder of an execution");
  }
}

/** What is taken of a warm-up's files. */
const NOTHING: Collected = { files: [], leftOut: [] };

/** What is known of an execution that has vanished. */
const UNSEEN = { exitCode: null, oom: false, durationMs: null };

async function endedOf(
  { node, run, folder }: AttemptParts,
  step: Step,
  { log, last, stop, startedMs = Number.POSITIVE_INFINITY }: Finished,
): Promise<Ended> {
  const { parser } = run.cell;
  const declared = parser.kind === "performance" ? undefined : parser.file;
  const collected = isWarmup(step) ? NOTHING : await collect(folder.out(step.n), declared);
  const output = { line: log.performance, collected, startedMs };
  // What a warm-up measured is thrown away.
  const parsed = isWarmup(step) ? null : await readResults(parser, output);
  const { exitCode, oom, durationMs } = last ?? UNSEEN;
  const judged = judge({ exitCode, oom, stop, parsed });
  const earlier = node.spool.executions(run.attempt.id).flatMap((one) => one.ended?.files ?? []);
  const files = choose(collected.files, { earlier, step, folder });
  const readings = judged.outcome === "ok" && parsed?.ok ? parsed.readings : [];
  return {
    ...judged,
    repeat: step.repeat,
    exitCode,
    durationMs: durationMs ?? 0,
    samples: readings.map((reading) => ({ ...reading, repeat: step.repeat })),
    files,
    filesLeftOut: collected.files.length + collected.leftOut.length - files.length,
  };
}

/** What cannot be removed now is an orphan that is reaped later: its result is safe. */
async function removeExecution({ node, launcher }: AttemptParts, name: string): Promise<void> {
  try {
    await launcher.remove(name);
  } catch (error) {
    if (node.detach.aborted) throw new DetachedError();
    if (!(error instanceof EngineGoneError) && !(error instanceof LaunchError)) throw error;
    node.log.warn({ name, error: error.message }, "cannot remove an execution that has ended");
  }
}
