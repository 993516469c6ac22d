import { execFile } from "node:child_process";

/** A sick driver makes its tools hang. */
const TIMEOUT_MS = 10_000;

export interface ToolAnswer {
  readonly stdout: string;
  /** Why there is no answer; null for a success. */
  readonly problem: string | null;
}

/** Runs a vendor's tool: killed when it hangs, and a tool that is missing is an answer like another. */
export type RunTool = (tool: string, args: readonly string[]) => Promise<ToolAnswer>;

export const runTool: RunTool = (tool, args) =>
  new Promise((resolve) => {
    const options = {
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      maxBuffer: 16 * 1_048_576,
    } as const;
    execFile(tool, args, options, (error, stdout) => {
      if (error === null) return resolve({ stdout, problem: null });
      const why = error.killed
        ? `no answer in ${TIMEOUT_MS / 1_000} s`
        : error.message.split("\n", 1)[0];
      resolve({ stdout, problem: `${tool}: ${why ?? "failed"}` });
    });
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
