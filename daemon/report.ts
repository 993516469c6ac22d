import type { AttemptReport } from "../contract/run.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import { LaunchError } from "./launcher.ts";
import { fingerprint } from "./output/bounded-log.ts";
import type { AttemptRow, Ended, KeptFile, KeptReport, Plan, StopReason } from "./spool-rows.ts";

/** The server takes no longer messages, in characters. */
const LONGEST_MESSAGE = 4_000;
/** Nor more values, or a longer report, of which they are nearly all; in characters of JSON. */
const MOST_SAMPLES = 100_000;
const LONGEST_SAMPLES = 12 * 1_048_576;

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
  const files = [
    await keep(folder, "log.txt", measured.log),
    await keep(folder, "config.json", JSON.stringify({ run: row.run, plan }, null, 2)),
    ...ended.flatMap((one) => one.files),
  ];
  const left = ended.reduce((sum, { filesLeftOut }) => sum + filesLeftOut, 0);
  const samples = ended.flatMap((one) => one.samples);
  const tooMuch = tooMany(samples);
  return {
    files,
    report: {
      ...(tooMuch === null ? judgement(measured) : { outcome: "failed", message: tooMuch }),
      runtime: plan.runtime,
      image: plan.image?.frozen ?? null,
      samples: tooMuch === null ? samples : [],
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

/** Why the server would refuse the values as a whole; null for as many as a result may hold. */
function tooMany(samples: AttemptReport["samples"]): string | null {
  if (samples.length <= MOST_SAMPLES && JSON.stringify(samples).length <= LONGEST_SAMPLES)
    return null;
  return `${samples.length} values over all repeats are more than one result may hold: report fewer statistics`;
}

function judgement({ ended, invalid }: Measured): Pick<AttemptReport, "outcome" | "message"> {
  const bad = ended.find(({ outcome }) => outcome !== "ok");
  if (bad !== undefined)
    return { outcome: bad.outcome, message: cut(`${where(bad)}: ${bad.message ?? ""}`) };
  return invalid === null
    ? { outcome: "ok", message: null }
    : { outcome: "invalid", message: cut(invalid) };
}

const cut = (message: string): string => message.slice(0, LONGEST_MESSAGE);

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
      message: cut(stop?.message ?? message),
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
