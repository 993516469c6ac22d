import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface GitResult {
  readonly code: number;
  readonly output: string;
}

/** A real repository on disk, without this machine's or user's configuration. */
export interface GitRepo {
  readonly path: string;
  /** Runs git in it. */
  git(...args: readonly string[]): Promise<GitResult>;
  /** Writes a file and stages it. */
  stage(path: string, content?: string): Promise<void>;
}

const OWN = /^(GIT_|GRIDPOST_)/;

/** Opens a folder as a repository whose hooks find these variables. */
export function repoAt(path: string, env: Readonly<Record<string, string>>): GitRepo {
  const inherited = Object.entries(process.env).filter(([name]) => !OWN.test(name));
  const git: GitRepo["git"] = (...args) =>
    new Promise((resolve) => {
      const settings = {
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "Test",
        GIT_AUTHOR_EMAIL: "test@example.org",
        GIT_COMMITTER_NAME: "Test",
        GIT_COMMITTER_EMAIL: "test@example.org",
      };
      execFile(
        "git",
        args,
        { cwd: path, env: { ...Object.fromEntries(inherited), ...settings, ...env } },
        (error, stdout, stderr) => {
          const code = typeof error?.code === "number" ? error.code : error === null ? 0 : 1;
          resolve({ code, output: `${stdout}${stderr}` });
        },
      );
    });
  return {
    path,
    git,
    stage: async (file, content = file) => {
      await mkdir(dirname(join(path, file)), { recursive: true });
      await writeFile(join(path, file), content);
      await git("add", file);
    },
  };
}

/** A folder for repositories that goes away with the test. */
export async function openRepos(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-repos-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
