import { execFile } from "node:child_process";

/** A sick driver makes its tools hang. */
const TIMEOUT_MS = 10_000;
const LONGEST_REASON = 200;

export interface ToolAnswer {
  readonly stdout: string;
  /** Why there is no answer; null for a success. */
  readonly problem: string | null;
}

/** Runs a vendor's tool: killed when it hangs, and a tool that is missing is an answer like another. */
export type RunTool = (tool: string, args: readonly string[]) => Promise<ToolAnswer>;

export const runTool = (
  tool: string,
  args: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<ToolAnswer> =>
  new Promise((resolve) => {
    const late = `${tool}: no answer in ${timeoutMs / 1_000} s`;
    const options = { killSignal: "SIGKILL", maxBuffer: 16 * 1_048_576 } as const;
    const child = execFile(tool, args, options, (error, stdout, stderr) => {
      clearTimeout(timer);
      // Why a tool failed stands in its own words, on either stream.
      const words = [stderr, stdout, error?.message ?? ""].find((text) => text.trim() !== "");
      const why = words?.trim().split("\n", 1)[0]?.slice(0, LONGEST_REASON);
      resolve({ stdout, problem: error === null ? null : `${tool}: ${why}` });
    });
    const timer = setTimeout(() => {
      // One that hangs in the driver does not even die: nobody waits for that.
      child.kill("SIGKILL");
      child.unref();
      resolve({ stdout: "", problem: late });
    }, timeoutMs);
  });

/** True when the tool is not installed, which is no problem: the machine has no such GPU. */
export const isMissing = ({ problem }: ToolAnswer): boolean => problem?.includes("ENOENT") ?? false;

/** A field of a tool: "N/A", "[Not Supported]", "[Unknown Error]" and emptiness say nothing. */
export function known(field: string | undefined): string | null {
  const text = field?.trim() ?? "";
  return text === "" ||
    /^\[?(n\/?a|not supported|not available|none|unknown( error)?|gpu is lost|insufficient permissions|no data)\]?$/i.test(
      text,
    )
    ? null
    : text;
}
