import { counted } from "../../contract/units.ts";
import { given } from "../arguments.ts";
import { change, type Cli, type Define, examples, group, leaf, list } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { allSucceeded, followSweep, progressLine, type Sweep } from "../follow-sweep.ts";
import { submitSweep } from "../submit-sweep.ts";
import { planOf, planView } from "../sweep-plan.ts";
import { readSweepBundle } from "../sweep-bundle.ts";
import { at, record, table, text, type View } from "../view.ts";
import type { Command } from "@commander-js/extra-typings";

const sweepView = (sweep: Sweep): View =>
  record([
    ["sweep", sweep.sweep],
    ["name", sweep.name],
    ["state", sweep.state],
    ["progress", progressLine(sweep)],
    ...sweep.waiting.map((why) => ["waiting", why] as const),
    ["cells", sweep.cells],
    ["thread", sweep.thread],
    ["submitted", at(sweep.submittedAt)],
    ["by", sweep.submittedBy],
    ["finished", at(sweep.finishedAt)],
  ]);

/** `gridpost sweep` */
export const defineSweep: Define = (program, cli) => {
  const sweep = group(program, "sweep", "Sweeps: declared sets of cells");
  defineFileVerbs(sweep, cli);
  defineRunVerb(sweep, cli);
  defineListVerbs(sweep, cli);
  defineWatchVerb(sweep, cli);
  change(sweep, "cancel <sweep>", "Cancel what has not ended of a sweep")
    .option("--reason <text>", "why")
    .action(async (ref, options) => {
      const idempotencyKey = cli.key(options);
      const context = cli.context(options);
      const api = await context.caller();
      const cancelled = await api(
        "POST /v1/projects/:project/sweeps/:sweep/cancel",
        {
          params: { project: context.project, sweep: ref },
          body: given({ reason: options.reason }),
        },
        { idempotencyKey },
      );
      await cli.out.show(cancelled, sweepView(cancelled));
    });
};

/** `validate` and `plan` need no server. */
function defineFileVerbs(sweep: Command, cli: Cli): void {
  leaf(sweep, "validate <file>", "Find every mistake in a sweep file, without a server")
    .addHelpText("after", examples("sweep validate sweep.yaml"))
    .action(async (file) => {
      const { cells, runs, name } = planOf(await readSweepBundle(file));
      const answer = { ok: true, name, cells: cells.length, runs };
      await cli.out.show(
        answer,
        text(`${file} is valid: ${counted(cells.length, "cell")}, ${counted(runs, "run")}`),
      );
    });

  leaf(sweep, "plan <file>", "Print the cells of a sweep file, without a server or GPU")
    .addHelpText("after", examples("sweep plan sweep.yaml", "sweep plan sweep.yaml --json"))
    .action(async (file) => {
      const plan = planOf(await readSweepBundle(file));
      await cli.out.show(plan, planView(plan));
      if (cli.out.tty) cli.out.note(plan.summary);
    });
}

function defineRunVerb(sweep: Command, cli: Cli): void {
  change(sweep, "run <file>", "Submit a sweep: its cells become queued runs")
    .option("--wait", "until it has ended; exit code 7 unless every run succeeded")
    .addHelpText("after", examples("sweep run sweep.yaml --wait", "sweep run sweep.yaml --json"))
    .action(async (file, options) => {
      await submitSweep(cli, await readSweepBundle(file), options);
    });
}

function defineListVerbs(sweep: Command, cli: Cli): void {
  list(sweep, "ls", "List sweeps, newest first").action(async ({ after, limit, ...common }) => {
    const context = cli.context(common);
    const api = await context.caller();
    const page = await api("GET /v1/projects/:project/sweeps", {
      params: { project: context.project },
      query: given({ after, limit }),
    });
    const rows = page.sweeps.map((one) => [
      one.sweep,
      one.name,
      one.state,
      `${one.states.succeeded ?? 0}/${one.runs}`,
      at(one.submittedAt),
      one.submittedBy,
    ]);
    await cli.out.show(
      page,
      table(["SWEEP", "NAME", "STATE", "SUCCEEDED", "SUBMITTED", "BY"], rows, "no sweeps"),
    );
  });

  leaf(sweep, "show <sweep>", "Show a sweep by its id, or the newest of a name").action(
    async (ref, options) => {
      const context = cli.context(options);
      const api = await context.caller();
      const shown = await api("GET /v1/projects/:project/sweeps/:sweep", {
        params: { project: context.project, sweep: ref },
      });
      await cli.out.show(shown, sweepView(shown));
    },
  );
}

function defineWatchVerb(sweep: Command, cli: Cli): void {
  leaf(sweep, "watch <sweep>", "Follow a sweep until it has ended; exit code 7 as for run")
    .addHelpText("after", examples("sweep watch nightly", "sweep watch nightly --json"))
    .action(async (ref, options) => {
      const context = cli.context(options);
      const api = await context.caller();
      const ended = await followSweep({
        api,
        project: context.project,
        sweep: ref,
        onChange: (view) => {
          // With --json one document per line; the last one is the end.
          if (cli.out.json) void cli.out.show(view, text(""));
          else cli.out.progress(progressLine(view));
        },
      });
      if (!cli.out.json) await cli.out.show(ended, sweepView(ended));
      if (!allSucceeded(ended)) cli.exitWith(EXIT.runFailed);
    });
}
