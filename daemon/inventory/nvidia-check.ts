import { known, runTool, type RunTool } from "./tool.ts";

const THROTTLE = ["hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown"];

/** Why a measurement on these GPUs would not count now, in one line; null when nobody else uses them and none is slowed. */
export async function checkNvidia(
  uuids: readonly string[],
  run: RunTool = runTool,
): Promise<string | null> {
  const apps = await run("nvidia-smi", [
    "--query-compute-apps=gpu_uuid,pid,used_memory",
    "--format=csv,noheader,nounits",
  ]);
  if (apps.problem !== null) return `the state of the GPUs is unknown: ${apps.problem}`;
  const foreign = foreignProcess(apps.stdout, uuids);
  if (foreign !== null) return foreign;
  return throttled(uuids, run);
}

/** Each line is `uuid, pid, MiB`. */
export function foreignProcess(csv: string, uuids: readonly string[]): string | null {
  for (const line of csv.split("\n")) {
    const [uuid, pid, memory] = line.split(",").map(known);
    if (uuid && uuids.includes(uuid))
      return `${uuid} is in use by process ${pid ?? "?"} (${memory ?? "?"} MiB)`;
  }
  return null;
}

async function throttled(uuids: readonly string[], run: RunTool): Promise<string | null> {
  const ask = (prefix: string) =>
    run("nvidia-smi", [
      `--query-gpu=uuid,${THROTTLE.map((reason) => `${prefix}.${reason}`).join(",")}`,
      "--format=csv,noheader,nounits",
    ]);
  const named = await ask("clocks_event_reasons");
  // The name of older drivers.
  const answer = named.problem === null ? named : await ask("clocks_throttle_reasons");
  if (answer.problem === null) return throttleReason(answer.stdout, uuids);
  // A driver that knows neither name cannot tell: that says nothing against its GPUs.
  if (/not a valid field/i.test(answer.stdout)) return null;
  return `the state of the GPUs is unknown: ${answer.problem}`;
}

/** Each line is `uuid, Active | Not Active, …` in the order of the reasons; a GPU that has fallen off its bus has none. */
export function throttleReason(csv: string, uuids: readonly string[]): string | null {
  const rows = csv.split("\n").map((line) => line.split(",").map(known));
  const gone = uuids.find((asked) => !rows.some(([uuid]) => uuid === asked));
  if (gone !== undefined) return `${gone} is there no more`;
  for (const [uuid, ...states] of rows) {
    const reason = THROTTLE[states.findIndex((state) => state === "Active")];
    if (uuid && uuids.includes(uuid) && reason !== undefined)
      return `${uuid} is slowed down: ${reason}`;
  }
  return null;
}
