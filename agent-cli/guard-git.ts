import { readFile, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { ProblemError } from "../contract/problem-error.ts";
import { git, gitLine } from "./git.ts";

/**
 * Paths as people write them, from the root of the repository, in the form that leases know. A folder stands for all that
 * is below it.
 * @throws ProblemError BAD_REQUEST for one that is not in the repository
 */
export async function trackedPaths(paths: readonly string[]): Promise<string[]> {
  const root = (await gitLine("rev-parse", "--show-toplevel")) ?? "";
  return Promise.all(
    paths.map(async (given) => {
      const path = posix.normalize(given);
      if (given === "" || path.startsWith("/") || /^\.\.(\/|$)/.test(path))
        throw new ProblemError("BAD_REQUEST", `"${given}" is no path of the repository`, {
          next: "start at its root, without a slash",
        });
      if (/^\.\/?$/.test(path)) return "/";
      const isFolder = root !== "" && !path.endsWith("/") && (await isDirectory(join(root, path)));
      return isFolder ? `${path}/` : path;
    }),
  );
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** What is to be checked, and for which branch. */
export interface Change {
  /** As Git stores them; the path of a submodule or folder ends with a slash. */
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
  const elsewhere = others.map((list) => new Set(list));
  const paths = first.filter((path) => elsewhere.every((list) => list.has(path)));
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

/** A ref that a push changes. */
interface Update {
  readonly ref: string;
  /** Where it was; zeros: it is new. */
  readonly from: string;
  /** Where it will be; zeros: it is deleted. */
  readonly to: string;
}

/** The remote that is pushed to. Git names it by its address when the push did, though it may be a known one. */
export async function remoteName([name = "origin", address]: readonly string[]): Promise<string> {
  if (name !== address) return name;
  const remotes = ((await gitLine("remote", "-v")) ?? "").split("\n");
  const known = remotes.find((line) => line.endsWith(`\t${address} (push)`));
  return known?.split("\t")[0] ?? name;
}

/** What each pushed ref brings that the remote does not have, and what it takes away. */
export async function pushedChanges(stdin: string, remote: string): Promise<Pushed> {
  const updates = linesOf(stdin).flatMap((fields) => {
    // What is pushed may be written with spaces, as in `HEAD@{1 day ago}`; what follows it never is.
    const [to, ref, from] = fields.slice(-3);
    return to === undefined || ref === undefined || from === undefined ? [] : [{ ref, from, to }];
  });
  const tracked = updates.map(({ ref }) =>
    ref.replace(/^refs\/heads\//, `refs/remotes/${remote}/`),
  );
  const others = besides([...tracked, `refs/remotes/${remote}/HEAD`], `refs/remotes/${remote}/*`);
  const changes: Change[] = [];
  const unseen: string[] = [];
  for (const { ref, from, to } of updates) {
    const known = !isZero(from) && (await exists(from));
    if (!known && !isZero(from)) unseen.push(ref);
    const old = known ? [from] : [];
    const brought = isZero(to)
      ? []
      : await pathsOfCommits([to, "--not", `--remotes=${remote}`, ...old]);
    const kept = isZero(to) ? [...others, ...tipsOf(updates)] : [to];
    changes.push({ ref, paths: [...brought, ...(await takenAway(old, kept))] });
  }
  return { changes, unseen };
}

/** What each received ref brings that the repository does not have yet, and what it takes away. */
export async function receivedChanges(stdin: string): Promise<Change[]> {
  const updates = linesOf(stdin).flatMap(([from = "0", to, ref]) =>
    to === undefined || ref === undefined ? [] : [{ ref, from, to }],
  );
  const others = besides(
    updates.map(({ ref }) => ref),
    "refs/*",
  );
  const changes: Change[] = [];
  for (const { ref, from, to } of updates) {
    const brought = isZero(to) ? [] : await pathsOfCommits([to, "--not", "--all"]);
    const old = isZero(from) ? [] : [from];
    const kept = isZero(to) ? [...others, ...tipsOf(updates)] : [to];
    changes.push({ ref, paths: [...brought, ...(await takenAway(old, kept))] });
  }
  return changes;
}

const linesOf = (stdin: string): string[][] => stdin.split("\n").map((line) => line.split(" "));

/** The refs that match and are not changed by this push: of a branch made anew the tips count, not what it held. */
const besides = (refs: readonly string[], glob: string): string[] => [
  ...refs.map((ref) => `--exclude=${ref}`),
  `--glob=${glob}`,
];

const tipsOf = (updates: readonly Update[]): string[] =>
  updates.map(({ to }) => to).filter((to) => !isZero(to));

const isZero = (sha: string): boolean => /^0+$/.test(sha);

const exists = (sha: string): Promise<boolean> =>
  git(["cat-file", "-e", sha]).then(
    () => true,
    () => false,
  );

/** What the commits change that a ref loses when it is moved back or aside, or deleted. */
const takenAway = async (old: readonly string[], kept: readonly string[]): Promise<string[]> =>
  old.length === 0 ? [] : pathsOfCommits([...old, "--not", ...kept]);

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
