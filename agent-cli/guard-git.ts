import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

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

/** What is to be checked, and for which branch. */
export interface Change {
  /** As Git stores them; a submodule's path ends with a slash. */
  readonly paths: readonly string[];
  /** Full name of the ref that it goes to; undefined on a detached HEAD. */
  readonly ref: string | undefined;
}

const DIFF = ["--raw", "-z", "--no-renames", "--no-abbrev"];

/**
 * What is staged. Of a merge only what differs from each of its sides: the rest has been committed by others.
 * @param variables the environment of the hook
 */
export async function stagedChange(
  variables: Readonly<Record<string, string | undefined>>,
): Promise<Change> {
  const head = (await gitLine("rev-parse", "-q", "--verify", "HEAD")) ?? (await emptyTree());
  const sides = [head, ...(await mergedHeads(variables))];
  const lists = await Promise.all(
    sides.map((side) =>
      git(["diff-index", "--cached", "--ignore-submodules=none", ...DIFF, side]).then(pathsOfRaw),
    ),
  );
  const [first = [], ...others] = lists;
  const paths = first.filter((path) => others.every((list) => list.includes(path)));
  return { paths, ref: await gitLine("symbolic-ref", "-q", "HEAD") };
}

/** The other sides of a merge. Before a merge by itself git names them in the environment only, after a conflict in a file. */
async function mergedHeads(variables: Readonly<Record<string, unknown>>): Promise<string[]> {
  const named = Object.keys(variables).flatMap(
    (name) => /^GITHEAD_([\da-f]+)$/.exec(name)?.[1] ?? [],
  );
  const path = (await git(["rev-parse", "--git-path", "MERGE_HEAD"])).trim();
  const listed = (await readFile(path, "utf8").catch(() => "")).split("\n");
  return [...new Set([...named, ...listed.filter((line) => line !== "")])];
}

const emptyTree = async (): Promise<string> =>
  (await git(["hash-object", "-t", "tree", "--stdin"])).trim();

export interface Pushed {
  readonly changes: readonly Change[];
  /** Refs whose commits on the other side are not in this clone: a push by force would take away who knows what. */
  readonly unseen: readonly string[];
}

/** What each pushed ref brings that the remote does not have, and what it takes away. */
export async function pushedChanges(stdin: string, remote: string): Promise<Pushed> {
  const changes: Change[] = [];
  const unseen: string[] = [];
  for (const line of stdin.split("\n")) {
    const [, local, ref, there = "0"] = line.split(" ");
    if (local === undefined || ref === undefined || isZero(local)) continue;
    const known = !isZero(there) && (await exists(there));
    if (!known && !isZero(there)) unseen.push(ref);
    const old = known ? [there] : [];
    const brought = await pathsOfCommits([local, "--not", `--remotes=${remote}`, ...old]);
    changes.push({ ref, paths: [...brought, ...(await takenAway(old, local))] });
  }
  return { changes, unseen };
}

/** What each received ref brings that the repository does not have yet, and what it takes away. */
export async function receivedChanges(stdin: string): Promise<Change[]> {
  const changes: Change[] = [];
  for (const line of stdin.split("\n")) {
    const [from = "0", to, ref] = line.split(" ");
    if (to === undefined || ref === undefined || isZero(to)) continue;
    const brought = await pathsOfCommits([to, "--not", "--all"]);
    const old = isZero(from) ? [] : [from];
    changes.push({ ref, paths: [...brought, ...(await takenAway(old, to))] });
  }
  return changes;
}

const isZero = (sha: string): boolean => /^0+$/.test(sha);

const exists = (sha: string): Promise<boolean> =>
  git(["cat-file", "-e", sha]).then(
    () => true,
    () => false,
  );

/** What the commits change that a ref loses when it is moved back or aside. */
const takenAway = async (old: readonly string[], to: string): Promise<string[]> =>
  old.length === 0 ? [] : pathsOfCommits([...old, "--not", to]);

/** Every path that one of the commits changes, by its old and its new name; of a merge what differs from all sides. */
async function pathsOfCommits(range: readonly string[]): Promise<string[]> {
  const commits = await git(["rev-list", ...range]);
  if (commits === "") return [];
  const flags = ["--stdin", "--no-commit-id", "-r", "--root", "-c", ...DIFF];
  return pathsOfRaw(await git(["diff-tree", ...flags], commits));
}

const GITLINK = "160000";

/** Reads `:100644 100644 <sha> <sha> M NUL path NUL`; a merge has one more colon, mode and sha for each further side. */
export function pathsOfRaw(raw: string): string[] {
  const paths = new Set<string>();
  const tokens = raw.split("\0");
  for (let i = 0; i + 1 < tokens.length; i += 2) {
    const header = /^(:+)(.*)$/.exec(tokens[i] ?? "");
    const path = tokens[i + 1];
    if (header === null || path === undefined) continue;
    const modes = (header[2] ?? "").split(" ").slice(0, (header[1] ?? "").length + 1);
    paths.add(modes.includes(GITLINK) ? `${path}/` : path);
  }
  return [...paths];
}
