import type { Cli } from "./command.ts";
import type { CommonOptions } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { inProject } from "../runtime/advice.ts";
import { allSucceeded, followSweep, progressLine, type Sweep } from "./follow-sweep.ts";
import type { SweepBundle } from "./sweep-bundle.ts";
import { record } from "./view.ts";

export interface SubmitOptions extends CommonOptions {
  readonly key?: string | undefined;
  /** Until it has ended. */
  readonly wait?: true | undefined;
}

/** Submits a sweep, and with `wait` follows it: exit code 7 unless every run succeeded. */
export async function submitSweep(
  cli: Cli,
  { source, files }: SweepBundle,
  options: SubmitOptions,
): Promise<void> {
  const idempotencyKey = cli.key(options);
  const context = cli.context(options);
  const { project } = context;
  const api = await context.caller();
  const body = {
    sweep: source,
    files: files.map(({ path, content }) => ({ path, content: content.toString("base64") })),
  };
  const submitted = await api(
    "POST /v1/projects/:project/sweeps",
    { params: { project }, body },
    { idempotencyKey },
  );
  const { sweep, waiting } = submitted;
  const follow = inProject(`gridpost sweep watch ${sweep}`, options.project);
  const cancel = inProject(`gridpost sweep cancel ${sweep}`, options.project);
  for (const why of waiting) cli.out.note(`waiting: ${why}`);
  if (waiting.length > 0) cli.out.note(`next: gridpost node ls; ${cancel}`);
  if (!options.wait) return showOutcome(cli, submitted);
  const ended = await untilLeft(
    () => cli.out.note(`the sweep goes on; follow it: ${follow}; end it: ${cancel}`),
    () =>
      followSweep({
        api,
        project,
        sweep,
        submitted: true,
        onChange: (view) => cli.out.progress(progressLine(view)),
      }),
  );
  await showOutcome(cli, ended);
  if (allSucceeded(ended)) return;
  cli.exitWith(EXIT.runFailed);
  const without = ENDED_WITHOUT.find((state) => (ended.states[state] ?? 0) > 0);
  const failed = `gridpost run ls ${ended.sweep} --state ${without}`;
  cli.out.note(`next: ${inProject(failed, options.project)}`);
}

/** A sweep that was cancelled has no failed run to look at. */
const ENDED_WITHOUT = ["failed", "invalid", "skipped", "cancelled"] as const;

const LEAVING = ["SIGINT", "SIGTERM"] as const;

/** Does some work; a signal ends the process as it always does, but `onLeave` has a word first. */
async function untilLeft<T>(onLeave: () => void, work: () => Promise<T>): Promise<T> {
  const leave = (signal: NodeJS.Signals): void => {
    onLeave();
    for (const one of LEAVING) process.off(one, leave);
    process.kill(process.pid, signal);
  };
  for (const signal of LEAVING) process.on(signal, leave);
  try {
    return await work();
  } finally {
    for (const signal of LEAVING) process.off(signal, leave);
  }
}

async function showOutcome(cli: Cli, view: Sweep): Promise<void> {
  const { sweep, thread, states } = view;
  await cli.out.show(
    { sweep, thread, states },
    record([
      ["sweep", sweep],
      ["thread", thread],
      ["outcome", progressLine(view)],
    ]),
  );
}
