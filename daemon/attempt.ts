import { ProblemError } from "../contract/problem.ts";
import { timeLimit } from "../contract/time-limit.ts";
import { AttemptFolder, type WorkRoots } from "./attempt-folder.ts";
import { restoreLog } from "./attempt-log.ts";
import { untilTaken } from "./calls.ts";
import { type AttemptParts, execute, stepsOf } from "./execution.ts";
import type { GpuCare } from "./gpu-care.ts";
import { fetchInputs } from "./input-files.ts";
import { executionName, LaunchError, type Launcher } from "./launcher.ts";
import { LiveLog } from "./live-log.ts";
import { allowedMounts } from "./mounts.ts";
import { DetachedError, type Node } from "./node.ts";
import { secretsOf } from "./output/secrets.ts";
import { makePlan } from "./plan.ts";
import { reportOf, setUpFailed } from "./report.ts";
import type { AttemptRow, Ended, KeptReport, Plan, StopReason } from "./spool-rows.ts";
import { clampDelay } from "./timers.ts";

/** The live log may lag behind for so long before the report goes out. */
const FLUSH_MS = 1_000;

export interface Workplace {
  readonly node: Node;
  readonly roots: WorkRoots;
  readonly gpuCare: GpuCare;
  /** GPUs of the session. */
  readonly gpus: readonly string[];
}

/**
 * Executes an attempt from where it stands, up to its report; null when the server has given its run to somebody else
 * before anything began.
 * @throws DetachedError when the daemon hands off
 */
export async function measure(place: Workplace, row: AttemptRow): Promise<KeptReport | null> {
  const { node } = place;
  const over = new AbortController();
  let { plan } = row;
  if (plan !== null) node.cores.hold(row.id, plan.cores);
  try {
    plan ??= await begin(place, row);
    return plan === null ? null : await runSteps(place, { row, plan, over: over.signal });
  } catch (error) {
    if (error instanceof DetachedError || node.detach.aborted) throw new DetachedError();
    node.log.warn({ attempt: row.id, error: String(error) }, "an attempt could not be carried out");
    if (plan !== null) await clearAway(node, row, await node.engines.launcher(plan.runtime));
    return setUpFailed(plan, stopReasonOf(place, row), error);
  } finally {
    over.abort();
    node.cores.release(row.id);
  }
}

/** Ends and removes what an attempt that failed has left. What cannot be removed now is reaped later. */
async function clearAway(
  { spool, log }: Node,
  { id }: AttemptRow,
  launcher: Launcher,
): Promise<void> {
  for (const { n } of spool.executions(id)) {
    const name = executionName(id, n);
    try {
      await launcher.stop(name, 0);
      await launcher.remove(name);
    } catch (error) {
      log.warn({ name, error: String(error) }, "cannot remove an execution");
    }
  }
}

const stopReasonOf = ({ node }: Workplace, { id, session }: AttemptRow): StopReason | null =>
  node.spool.attempts(session).find((attempt) => attempt.id === id)?.stop ?? null;

/** Prepares an attempt, which takes no longer than its set-up may. */
async function begin(place: Workplace, row: AttemptRow): Promise<Plan | null> {
  const { detach, stops } = place.node;
  const ms = clampDelay(row.run.phases.setup.timeout);
  const limit = timeLimit(ms, detach, stops.signal(row.id));
  try {
    return await prepare(place, row, limit.signal);
  } finally {
    limit.end();
  }
}

/** Prepares an attempt and tells the server that it begins. Nothing runs before the server has agreed. */
async function prepare(
  place: Workplace,
  row: AttemptRow,
  signal: AbortSignal,
): Promise<Plan | null> {
  const { node, roots, gpus } = place;
  const { run } = row;
  refuseLocked(node, row, gpus);
  const plan = await makePlan(node, run, { gpus, signal });
  const folder = new AttemptFolder(roots, plan.runtime, row.id);
  await folder.make();
  await untilTaken({ node, signal }, () => fetchInputs(node.server.client, run, folder.files));
  if (signal.aborted)
    throw new LaunchError(stopReasonOf(place, row)?.message ?? "preparing took too long");
  try {
    const body = { runtime: plan.runtime, image: plan.image?.frozen ?? null };
    const options = { idempotencyKey: `start-${row.id}`, signal: node.detach };
    await untilTaken({ node, signal }, () =>
      node.server.client.cells.start({ params: { attempt: row.id }, body }, options),
    );
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "ATTEMPT_SUPERSEDED") throw error;
    node.log.warn({ attempt: row.id, why: error.message }, "the run is somebody else's now");
    await folder.remove();
    return null;
  }
  node.spool.setPlan(row.id, plan);
  return plan;
}

/** A slot that was not clean is not offered again before it is; the node goes on with its other GPUs. */
function quarantine({ quarantine: held, log }: Node, gpus: readonly string[], why: string): void {
  for (const uuid of gpus) held.add(uuid);
  log.warn({ gpus, why }, "GPUs in quarantine");
}

/**
 * The local locks only ever refuse: a GPU that another session of this node still holds is not used twice, whatever
 * was granted.
 * @throws LaunchError
 */
function refuseLocked({ spool }: Node, { session }: AttemptRow, gpus: readonly string[]): void {
  const locks = spool.gpuLocks();
  const taken = gpus.find((uuid) => locks.get(uuid) !== session);
  if (taken !== undefined)
    throw new LaunchError(`${taken} is still held by another session of this node`);
}

interface Running {
  readonly row: AttemptRow;
  readonly plan: Plan;
  /** Fires when nobody waits for the live log any more. */
  readonly over: AbortSignal;
}

async function runSteps(place: Workplace, running: Running): Promise<KeptReport> {
  const { node, gpuCare, gpus } = place;
  const { row, plan } = running;
  const parts = await partsOf(place, running);
  const dirty = node.spool.executions(row.id).length > 0 ? null : await gpuCare.problem(gpus);
  const ended: Ended[] = [];
  if (dirty === null) {
    for (const step of stepsOf(row.run)) {
      const one = await execute(parts, step);
      ended.push(one);
      if (one.outcome !== "ok") break;
    }
  }
  const after = dirty ?? (await gpuCare.problem(gpus));
  if (after !== null) quarantine(node, gpus, after);
  await parts.log.live.flush(FLUSH_MS);
  return reportOf({
    row,
    plan,
    ended,
    invalid: after,
    log: parts.log.bounded.text(),
    folder: parts.folder,
  });
}

async function partsOf(place: Workplace, { row, plan, over }: Running): Promise<AttemptParts> {
  const { node, roots, gpus } = place;
  const { run } = row;
  const { cell } = run;
  const folder = new AttemptFolder(roots, plan.runtime, row.id);
  const ended = node.spool.executions(row.id).filter((execution) => execution.ended !== null);
  const bounded = await restoreLog(folder, ended.at(-1)?.n ?? 0);
  const { client } = node.server;
  const live = new LiveLog({ client, attempt: row.id, log: node.log, signal: over }, bounded.total);
  return {
    node,
    run,
    folder,
    launcher: await node.engines.launcher(plan.runtime),
    log: { bounded, live, secrets: secretsOf(cell.env) },
    stopReason: () => stopReasonOf(place, row),
    launch: {
      attempt: row.id,
      image: plan.image?.id ?? null,
      command: cell.command,
      env: cell.env,
      files: folder.files,
      mounts: await allowedMounts(cell.mounts, node.options.mountRoots),
      ...place.gpuCare.access(gpus),
      cores: plan.cores,
      limits: cell.resources,
    },
  };
}
