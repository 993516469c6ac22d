import { ProblemError } from "../contract/problem-error.ts";
import { readText } from "./arguments.ts";

/** One value as it is reported: the k-th of a metric is that of the k-th repeat. */
export interface HandSample {
  readonly metric: string;
  readonly repeat: number;
  readonly value: number;
  readonly unit: string;
}

const SAMPLE = /^(?<metric>[^=\s][^=]*)=(?<value>[-+]?[\d.]+(?:[eE][-+]?\d+)?)(?: (?<unit>\S+))?$/;

/** `speed=12.5 GB/s`, once per repeat and metric. @throws ProblemError BAD_REQUEST for what is not written so */
export function samplesOf(texts: readonly string[]): HandSample[] {
  const repeats = new Map<string, number>();
  return texts.map((text) => {
    const { metric = "", value = "", unit = "" } = SAMPLE.exec(text)?.groups ?? {};
    const number = Number(value);
    if (metric === "" || value === "" || !Number.isFinite(number))
      throw new ProblemError("BAD_REQUEST", `"${text}" is not a sample`, {
        next: 'write it as --sample "METRIC=VALUE UNIT", once for each repeat',
      });
    const repeat = (repeats.get(metric) ?? 0) + 1;
    repeats.set(metric, repeat);
    return { metric, repeat, value: number, unit };
  });
}

/** A report of a run done by hand as JSON, as the server takes it. @throws ProblemError BAD_REQUEST */
export async function readHandReport(file: string): Promise<Record<string, unknown>> {
  const text = await readText(file);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
      return { ...parsed };
  } catch {
    // Said below, with what is expected.
  }
  throw new ProblemError("BAD_REQUEST", `${file} holds no JSON object`, {
    next: 'write {"samples":[{"repeat":1,"metric":"speed","value":12.5,"unit":"GB/s"}]}',
  });
}
