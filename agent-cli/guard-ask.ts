import type { GuardLease } from "../contract/guard.ts";
import { ProblemError } from "../contract/problem-error.ts";
import { UnreachableError } from "../contract/transport.ts";
import { NoCredentialsError } from "../runtime/no-credentials.ts";
import { type Context, NoServerError } from "./context.ts";
import type { Change } from "./guard-git.ts";
import { blockedBy, freshLeases, saveSnapshot, type SnapshotOf } from "./guard-snapshot.ts";
import { reportBypasses } from "./guard-bypass.ts";
import type { Api } from "./api.ts";

export type Blocked = GuardLease & { readonly path: string };

export interface Verdict {
  readonly verdict: "clear" | "blocked" | "unknown";
  readonly blocked: readonly Blocked[];
  /** Who answered. */
  readonly from: "server" | "snapshot" | null;
  /** Why nobody could answer. */
  readonly why: string | null;
}

export interface Question {
  readonly context: Context;
  readonly repo: string;
  readonly changes: readonly Change[];
  /** Whose leases do not block; undefined: the caller's. */
  readonly holder: string | undefined;
}

/** People wait for a commit: a server that takes longer counts as away. */
export const PATIENCE_MS = 5_000;
const MAX_PATHS = 10_000;

/** Asks the server; when it is away, a snapshot of at most a minute ago. */
export async function askGuard(question: Question): Promise<Verdict> {
  try {
    return await askServer(question);
  } catch (error) {
    if (!isAway(error)) throw error;
    const blocked = await askSnapshot(question);
    if (blocked === undefined)
      return { verdict: "unknown", blocked: [], from: null, why: error.message };
    return { ...verdictOf(blocked), from: "snapshot", why: null };
  }
}

/** Anything that leaves the question unanswered, a refusal to answer included. */
const isAway = (error: unknown): error is Error =>
  error instanceof UnreachableError ||
  error instanceof NoCredentialsError ||
  error instanceof NoServerError ||
  error instanceof ProblemError;

const verdictOf = (blocked: readonly Blocked[]): Pick<Verdict, "verdict" | "blocked"> => ({
  verdict: blocked.length === 0 ? "clear" : "blocked",
  blocked,
});

async function askServer({ context, repo, changes, holder }: Question): Promise<Verdict> {
  const api = await context.caller();
  const blocked: Blocked[] = [];
  for (const { paths, ref } of pieces(changes)) {
    const answer = await api(
      "POST /v1/projects/:project/guard/check",
      {
        params: { project: context.project },
        body: {
          repo,
          paths: [...paths],
          ...(ref === undefined ? {} : { ref }),
          ...(holder === undefined ? {} : { holder }),
        },
      },
      { unkeyed: true },
    );
    blocked.push(...answer.blocked);
    // Without a copy the next question is for the server alone; this one it has answered.
    await saveSnapshot(await snapshotOf({ context, repo, holder }), answer.snapshot, () =>
      api("GET /.well-known/jwks.json"),
    ).catch(() => undefined);
  }
  await afterContact(context, api);
  return { ...verdictOf(blocked), from: "server", why: null };
}

/** The server was seen: it hears of commits that were made without the guard. Their report may wait once more. */
async function afterContact({ home }: Context, api: Api): Promise<void> {
  await reportBypasses(home, api).catch(() => undefined);
}

async function askSnapshot({
  context,
  repo,
  changes,
  holder,
}: Question): Promise<Blocked[] | undefined> {
  const leases = await snapshotOf({ context, repo, holder }).then(freshLeases, () => undefined);
  if (leases === undefined) return undefined;
  return changes.flatMap(({ paths, ref }) => blockedBy(leases, paths, ref));
}

async function snapshotOf({
  context,
  repo,
  holder,
}: Pick<Question, "context" | "repo" | "holder">): Promise<SnapshotOf> {
  const { home, project, actingAs } = context;
  return { home, project, repo, url: await context.url(), as: holder ?? actingAs ?? "" };
}

/** At least one question, so that the snapshot is renewed even if nothing has changed. */
function pieces(changes: readonly Change[]): Change[] {
  const all = changes.flatMap(({ paths, ref }) => {
    const parts: Change[] = [];
    for (let at = 0; at < paths.length; at += MAX_PATHS)
      parts.push({ paths: paths.slice(at, at + MAX_PATHS), ref });
    return parts;
  });
  return all.length > 0 ? all : [{ paths: [], ref: undefined }];
}
