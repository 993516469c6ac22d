import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { GrantedRun } from "../../contract/cells.ts";
import { AttemptReport } from "../../contract/run.ts";
import { AttemptFolder } from "../../daemon/attempt-folder.ts";
import { reportOf } from "../../daemon/report.ts";
import type { Ended } from "../../daemon/spool-rows.ts";

const repeat = (n: number, metrics: number): Ended => ({
  repeat: n,
  outcome: "ok",
  message: null,
  exitCode: 0,
  durationMs: 1,
  samples: Array.from({ length: metrics }, (_, i) => ({
    repeat: n,
    metric: `metric-${i}`,
    statistic: "value",
    value: i,
    unit: "s",
    n: 1,
  })),
  files: [],
  filesLeftOut: 0,
});

it("reports a failure with the reason when a run gave more values than the server takes", async () => {
  const root = await mkdtemp(join(tmpdir(), "gridpost-report-"));
  const folder = new AttemptFolder({ docker: root, process: root }, "process", "a");
  await folder.make();
  const report = async (repeats: number): Promise<AttemptReport> => {
    const { report: made } = await reportOf({
      row: { id: "a", session: "s", run: {} as GrantedRun, plan: null, stop: null, report: null },
      plan: { runtime: "process", image: null, cores: [], environment: {} },
      ended: Array.from({ length: repeats }, (_, i) => repeat(i + 1, 10_000)),
      invalid: null,
      log: "",
      folder,
    });
    return AttemptReport.parse(made);
  };
  expect(await report(9)).toMatchObject({ outcome: "ok", message: null });
  expect(await report(11)).toMatchObject({
    outcome: "failed",
    message: expect.stringContaining("110000 values"),
    samples: [],
  });
  await rm(root, { recursive: true });
});
