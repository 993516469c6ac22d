import type { AttemptReport } from "../contract/run.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import { LaunchError } from "./launcher.ts";
import { fingerprint } from "./output/bounded-log.ts";
import type { AttemptRow, Ended, KeptFile, KeptReport, Plan, StopReason } from "./spool-rows.ts";

/** The server takes no more evidence for one attempt. */
const MOST_EVIDENCE = 64;

export interface Measured {
  readonly row: AttemptRow;
  readonly plan: Plan;
  readonly ended: readonly Ended[];
  /** Why the measurement does not count, whatever it says: a GPU that was not clean. */
  readonly invalid: string | null;
  readonly log: string;
  readonly folder: AttemptFolder;
}

/** Everything that the server is told of an attempt that was carried out. */
export async function reportOf(measured: Measured): Promise<KeptReport> {
  const { row, plan, ended, folder } = measured;
  const results = ended.flatMap(({ files }) => files);
  const files = [
    await keep(folder, "log.txt", measured.log),
    await keep(folder, "config.json", JSON.stringify({ run: row.run, plan }, null, 2)),
    ...results.slice(0, MOST_EVIDENCE - 2),
  ];
  const left = results.length - (files.length - 2);
  return {
    files,
    report: {
      ...judgement(measured),
      runtime: plan.runtime,
      image: plan.image?.frozen ?? null,
      samples: ended.flatMap(({ samples }) => samples),
      executions: ended.map(({ repeat, exitCode, durationMs }) => ({
        repeat,
        exitCode,
        durationMs,
      })),
      evidence: files.map(({ name, sha256, size }) => ({ name, sha256, size })),
      environment: { ...plan.environment, ...(left > 0 ? { evidenceLeftOut: String(left) } : {}) },
    },
  };
}

function judgement({ ended, invalid }: Measured): Pick<AttemptReport, "outcome" | "message"> {
  const bad = ended.find(({ outcome }) => outcome !== "ok");
  if (bad !== undefined)
    return { outcome: bad.outcome, message: `${where(bad)}: ${bad.message ?? ""}` };
  return invalid === null
    ? { outcome: "ok", message: null }
    : { outcome: "invalid", message: invalid };
}

const where = ({ repeat }: Ended): string => (repeat < 1 ? "warm-up" : `repeat ${repeat}`);

async function keep(folder: AttemptFolder, name: string, text: string): Promise<KeptFile> {
  return { name, path: await folder.keep(name, text), ...fingerprint(Buffer.from(text)) };
}

/** What the server is told of an attempt that could not be carried out. */
export function setUpFailed(
  plan: Plan | null,
  stop: StopReason | null,
  error: unknown,
): KeptReport {
  const message = error instanceof Error ? error.message : String(error);
  const cellsFault = error instanceof LaunchError && error.cellsFault;
  return {
    files: [],
    report: {
      outcome: stop?.outcome ?? (cellsFault ? "failed" : "setup_failed"),
      message: (stop?.message ?? message).slice(0, 4_000),
      ...planned(plan),
      samples: [],
      executions: [],
      evidence: [],
    },
  };
}

const planned = (plan: Plan | null): Pick<AttemptReport, "runtime" | "image" | "environment"> =>
  plan === null
    ? { runtime: null, image: null, environment: {} }
    : {
        runtime: plan.runtime,
        image: plan.image?.frozen ?? null,
        environment: plan.environment,
      };
