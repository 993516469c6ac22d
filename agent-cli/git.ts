import { execFile } from "node:child_process";

/** Runs git here and answers what it prints. @throws Error with what git said */
export function git(args: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile("git", args, { maxBuffer: 1024 ** 3 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim() === "" ? error.message : stderr.trim()));
    });
    // A command that does not read its input may have ended before.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input ?? "");
  });
}

/** The same on one line; undefined when git fails or prints nothing. */
export async function gitLine(...args: readonly string[]): Promise<string | undefined> {
  const text = await git(args).catch(() => "");
  return text.trim() === "" ? undefined : text.trim();
}
