import { Option, type Command } from "@commander-js/extra-typings";
import { count, given } from "../arguments.ts";
import { type Cli, type Define, examples, group, leaf, list } from "../command.ts";
import { axesText, SHORT_ID } from "../cell-view.ts";
import { followLog, type LogPart, wholeLog } from "../run-log.ts";
import { at, record, table } from "../view.ts";

const stateOption = () =>
  new Option("--state <state>", "only runs in this state").choices([
    "blocked",
    "queued",
    "claimed",
    "running",
    "succeeded",
    "failed",
    "invalid",
    "skipped",
    "cancelled",
  ] as const);

/** `gridpost run` */
export const defineRun: Define = (program, cli) => {
  const run = group(program, "run", "Runs: the measurements of a sweep's cells");
  defineList(run, cli);
  defineShow(run, cli);
  defineLogs(run, cli);
};

function defineList(run: Command, cli: Cli): void {
  list(run, "ls <sweep>", "List the runs of a sweep")
    .addOption(stateOption())
    .addHelpText("after", examples("run ls nightly --state failed"))
    .action(async (sweep, { state, after, limit, ...common }) => {
      const context = cli.context(common);
      const api = await context.caller();
      const page = await api("GET /v1/projects/:project/sweeps/:sweep/runs", {
        params: { project: context.project, sweep },
        query: given({ state, after, limit }),
      });
      const rows = page.runs.map((one) => [
        one.id,
        one.state,
        one.outcome,
        one.holder,
        one.attempt,
        one.cell.slice(0, SHORT_ID),
        axesText(one.axes),
        one.block,
        one.message,
      ]);
      await cli.out.show(
        page,
        table(
          ["RUN", "STATE", "OUTCOME", "NODE", "ATTEMPT", "CELL", "AXES", "BLOCK", "MESSAGE"],
          rows,
          "no runs",
        ),
      );
    });
}

function defineShow(run: Command, cli: Cli): void {
  leaf(run, "show <run>", "Show a run with its attempts").action(async (id, options) => {
    const context = cli.context(options);
    const api = await context.caller();
    const shown = await api("GET /v1/projects/:project/runs/:run", {
      params: { project: context.project, run: id },
    });
    await cli.out.show(
      shown,
      record([
        ["run", shown.id],
        ["sweep", shown.sweep],
        ["cell", shown.cell],
        ["axes", axesText(shown.axes)],
        ["block", shown.block],
        ["state", shown.state],
        ["outcome", shown.outcome],
        ["message", shown.message],
        ["node", shown.holder],
        ["queued", at(shown.queuedAt)],
        ["started", at(shown.startedAt)],
        ["finished", at(shown.finishedAt)],
        ...shown.attempts.map(({ n, holder, state, report }): [string, string] => [
          `attempt ${n}`,
          `${holder}, ${state === "finished" ? (report?.outcome ?? state) : state}`,
        ]),
      ]),
    );
  });
}

const POLL_MS = 20_000;

function defineLogs(run: Command, cli: Cli): void {
  leaf(run, "logs <run>", "Print the log of a run's latest attempt")
    .option("--follow", "go on until the run has ended")
    .option("--after <offset>", "from this byte on", count)
    .addHelpText("after", examples("run logs 01991c7e-… --follow"))
    .action(async (id, { follow, after, ...common }) => {
      const context = cli.context(common);
      const api = await context.caller();
      const wait = follow ? POLL_MS : 0;
      const page = (from: number): Promise<LogPart> =>
        api(
          "GET /v1/projects/:project/runs/:run/logs",
          { params: { project: context.project, run: id }, query: { after: from, wait } },
          { timeoutMs: wait + 30_000 },
        );
      if (follow) return followLog(page, after ?? 0, cli.out);
      const whole = await wholeLog(page, after ?? 0);
      cli.out.write(whole, whole.text);
    });
}
