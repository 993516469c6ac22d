import { type Command, Option } from "@commander-js/extra-typings";
import { ProblemError } from "../../contract/problem-error.ts";
import { durationText } from "../../contract/units.ts";
import type { Answer, Request } from "../api.ts";
import { duration, given, repeated } from "../arguments.ts";
import { axesText, SHORT_ID } from "../cell-view.ts";
import { change, type Cli, type Define, examples, group, list } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { readHandReport, samplesOf } from "../hand-report.ts";
import { record, table, text, type View } from "../view.ts";

type Claim = NonNullable<Answer<"POST /v1/projects/:project/claims">["session"]>;
type Ended = Answer<"POST /v1/projects/:project/claims/:session/complete">;
type Report = Request<"POST /v1/projects/:project/claims/:session/complete">["body"]["report"];

const COMPLETE = "POST /v1/projects/:project/claims/:session/complete";

/** `gridpost cell` */
export const defineCell: Define = (program, cli) => {
  const cell = group(program, "cell", "Cells: single measurements, by a node or by hand");
  defineList(cell, cli);
  defineRun(cell, cli);
  defineClaim(cell, cli);
  defineRenew(cell, cli);
  defineComplete(cell, cli);
  defineFail(cell, cli);
};

function defineList(cell: Command, cli: Cli): void {
  list(cell, "ls <sweep>", "List the cells of a sweep")
    .addHelpText("after", examples("cell ls nightly", "cell ls nightly --json"))
    .action(async (sweep, { after, limit, ...common }) => {
      const context = cli.context(common);
      const api = await context.caller();
      const page = await api("GET /v1/projects/:project/sweeps/:sweep/cells", {
        params: { project: context.project, sweep },
        query: given({ after, limit }),
      });
      const rows = page.cells.map((one) => [
        one.id.slice(0, SHORT_ID),
        axesText(one.axes),
        one.runtime,
        one.image,
        one.gpus,
        one.command.join(" "),
      ]);
      const columns = ["CELL", "AXES", "RUNTIME", "IMAGE", "GPUS", "COMMAND"];
      await cli.out.show(page, table(columns, rows, "no cells"));
    });
}

function defineRun(cell: Command, cli: Cli): void {
  change(cell, "run <file>", "Submit a sweep file that makes exactly one cell")
    .option("--wait", "until it has ended; exit code 7 unless every run succeeded")
    .addHelpText("after", examples("cell run one.yaml --wait"))
    .action(async (file, options) => {
      const { readSweepBundle } = await import("../sweep-bundle.ts");
      const { planOf } = await import("../sweep-plan.ts");
      const { submitSweep } = await import("../submit-sweep.ts");
      const bundle = await readSweepBundle(file);
      const { cells } = planOf(bundle);
      if (cells.length !== 1)
        throw new ProblemError("UNPROCESSABLE", `${file} makes ${cells.length} cells, not one`, {
          next: `gridpost sweep run ${file}`,
        });
      await submitSweep(cli, bundle, options);
    });
}

function defineClaim(cell: Command, cli: Cli): void {
  change(cell, "claim", "Take a queued run to measure it by hand")
    .option("--sweep <sweep>", "only of this sweep")
    .option("--run <run>", "this run")
    .option("--ttl <duration>", "how long the claim lives without being renewed (1h)", duration)
    .addHelpText(
      "after",
      `${examples("cell claim --sweep nightly --json")}

Renew it before its time is over, and report with cell complete or cell fail.`,
    )
    .action(async ({ sweep, run, ttl: ttlMs, key, ...common }) => {
      const idempotencyKey = cli.key({ key });
      const context = cli.context(common);
      const api = await context.caller();
      const { project } = context;
      const claimed = await api(
        "POST /v1/projects/:project/claims",
        { params: { project }, body: given({ sweep, run, ttlMs }) },
        { idempotencyKey },
      );
      const { session } = claimed;
      if (session === null) return cli.out.show(claimed, text(cli.out.tty ? "no run waits" : ""));
      const view = cli.out.json
        ? null
        : await api("GET /v1/projects/:project/sweeps/:sweep", {
            params: { project, sweep: session.runs[0]?.sweep ?? "" },
          });
      await cli.out.show(claimed, claimView(session, view?.primaryMetric ?? null));
    });
}

const claimView = ({ id, lease, runs }: Claim, metric: string | null): View =>
  record([
    ["session", id],
    ...runs.flatMap((run): [string, string | number | null][] => [
      ["run", run.attempt.run],
      ["attempt", run.attempt.n],
      ["sweep", run.sweepName],
      ["axes", axesText(run.cell.axes)],
      ["image", run.image ?? run.cell.image],
      ["command", JSON.stringify(run.cell.command)],
      ["environment", JSON.stringify(run.cell.env)],
      ["warm-ups", run.warmup],
      ["repeats", run.repeats],
    ]),
    ...(metric === null ? [] : ([["metric", metric]] as const)),
    ["lives for", durationText(lease.ttlMs)],
  ]);

function defineRenew(cell: Command, cli: Cli): void {
  change(cell, "renew <session>", "Extend a claim from now")
    .option("--ttl <duration>", "how long from now (1h)", duration)
    .action(async (session, { ttl: ttlMs, key, ...common }) => {
      const idempotencyKey = cli.key({ key });
      const context = cli.context(common);
      const api = await context.caller();
      const renewed = await api(
        "POST /v1/projects/:project/claims/:session/renew",
        { params: { project: context.project, session }, body: given({ ttlMs }) },
        { idempotencyKey },
      );
      await cli.out.show(renewed, claimView(renewed, null));
    });
}

function defineComplete(cell: Command, cli: Cli): void {
  change(cell, "complete <session>", "Report the values of a run that you claimed")
    .option("--sample <text>", '"METRIC=VALUE UNIT", once for each repeat', repeated)
    .option("-f, --file <file>", "the report as JSON; - is stdin")
    .addHelpText(
      "after",
      examples(
        'cell complete SESSION --sample "speed=12.5 GB/s" --sample "speed=12.6 GB/s"',
        "cell complete SESSION -f report.json",
      ),
    )
    .action(async (session, { sample, file, key, ...common }) => {
      if ((sample === undefined) === (file === undefined))
        throw new ProblemError("BAD_REQUEST", "say what was measured", {
          next: 'give --sample "METRIC=VALUE UNIT" for each repeat, or the report with -f FILE',
        });
      const report =
        file === undefined ? { samples: samplesOf(sample ?? []) } : await readHandReport(file);
      const ended = await complete(cli, { session, report, key, common });
      if (!ended.accepted) cli.exitWith(EXIT.conflict);
      else if (ended.state !== "succeeded") cli.exitWith(EXIT.runFailed);
    });
}

const outcomeOption = () =>
  new Option("--outcome <outcome>", "what went wrong: of the benchmark, or of the machine")
    .choices([
      "failed",
      "timed_out",
      "silent",
      "oom",
      "setup_failed",
      "invalid",
      "cancelled",
    ] as const)
    .default("failed" as const);

function defineFail(cell: Command, cli: Cli): void {
  change(cell, "fail <session>", "Report that a run that you claimed gave no result")
    .requiredOption("-m, --message <text>", "why, in one line")
    .addOption(outcomeOption())
    .addHelpText("after", examples('cell fail SESSION -m "exit code 1"'))
    .action(async (session, { message, outcome, key, ...common }) => {
      const report = { outcome, message };
      const ended = await complete(cli, { session, report, key, common });
      if (!ended.accepted) cli.exitWith(EXIT.conflict);
    });
}

interface Completion {
  readonly session: string;
  readonly report: Report;
  readonly key: string | undefined;
  readonly common: Parameters<Cli["context"]>[0];
}

async function complete(cli: Cli, { session, report, key, common }: Completion): Promise<Ended> {
  const idempotencyKey = cli.key({ key });
  const context = cli.context(common);
  const api = await context.caller();
  const ended = await api(
    COMPLETE,
    { params: { project: context.project, session }, body: { report } },
    { idempotencyKey },
  );
  await cli.out.show(
    ended,
    record([
      ["run", ended.run],
      ["state", ended.state],
      ["accepted", ended.accepted],
    ]),
  );
  if (!ended.accepted)
    cli.out.note("the claim had ended: the report is kept as evidence and does not count");
  return ended;
}
