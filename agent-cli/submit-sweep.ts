import type { Cli } from "./command.ts";
import type { CommonOptions } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { inProject } from "./failure.ts";
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
  for (const why of submitted.waiting) cli.out.note(`waiting: ${why}`);
  if (submitted.waiting.length > 0)
    cli.out.note(
      `next: gridpost node ls; ${inProject(`gridpost sweep cancel ${submitted.sweep}`, options.project)}`,
    );
  if (!options.wait) return showOutcome(cli, submitted);
  const ended = await followSweep({
    api,
    project,
    sweep: submitted.sweep,
    onChange: (view) => cli.out.progress(progressLine(view)),
  });
  await showOutcome(cli, ended);
  if (allSucceeded(ended)) return;
  cli.exitWith(EXIT.runFailed);
  const failed = `gridpost run ls ${ended.sweep} --state failed`;
  cli.out.note(`next: ${inProject(failed, options.project)}`);
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
