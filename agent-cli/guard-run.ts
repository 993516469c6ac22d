import { text as readAll } from "node:stream/consumers";
import type { Context } from "./context.ts";
import { askGuard, type Verdict } from "./guard-ask.ts";
import { gitLine } from "./git.ts";
import { noteBypass } from "./guard-bypass.ts";
import {
  type Pushed,
  pushedChanges,
  receivedChanges,
  remoteName,
  stagedChange,
} from "./guard-git.ts";
import { describeVerdict } from "./guard-report.ts";
import { DEFAULT_POLICY, type Hook, type Policy, policyKey } from "./guard-script.ts";

export interface HookRun {
  readonly hook: Hook;
  /** What git gave to the hook. */
  readonly args: readonly string[];
  readonly context: Context;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly repo: string;
}

/** Runs the guard as a hook. Says what it decided and why; returns whether git may go on. */
export async function runHook(run: HookRun, say: (line: string) => void): Promise<boolean> {
  const { hook, variables } = run;
  // Whoever pushes must not switch off the guard of the repository that receives.
  if (variables["GRIDPOST_GUARD"] === "off" && hook !== "pre-receive") return bypass(run, say);
  const { changes, unseen } = await changesOf(run);
  const { context, repo } = run;
  const unchanged = changes.every(({ paths }) => paths.length === 0);
  const verdict = unchanged
    ? CLEAR
    : await askGuard({ context, repo, changes, holder: pusherOf(run) });
  const [ref] = unseen;
  if (ref === undefined || verdict.verdict !== "clear") return judge(run, verdict, say);
  const why = `${ref} has commits there that this clone has not seen (git fetch)`;
  return judge(run, { ...verdict, verdict: "unknown", why }, say);
}

const CLEAR: Verdict = { verdict: "clear", blocked: [], from: null, why: null };

async function changesOf({ hook, args, variables }: HookRun): Promise<Pushed> {
  switch (hook) {
    case "pre-commit":
    case "pre-merge-commit":
      return { changes: [await stagedChange(variables)], unseen: [] };
    case "pre-push":
      return pushedChanges(await readAll(process.stdin), await remoteName(args));
    case "pre-receive":
      return { changes: await receivedChanges(await readAll(process.stdin)), unseen: [] };
  }
}

/** Who pushes into this repository, as the transport says: the guard asks as the machine that hosts it. */
function pusherOf({ hook, variables }: HookRun): string | undefined {
  if (hook !== "pre-receive") return undefined;
  return [variables["GRIDPOST_AGENT"], variables["REMOTE_USER"], variables["GL_USER"]].find(
    (name) => name !== undefined && name !== "",
  );
}

async function judge(
  { hook, context }: HookRun,
  verdict: Verdict,
  say: (line: string) => void,
): Promise<boolean> {
  const by =
    verdict.from === "snapshot" ? " (by a copy of the last minute: the server is away)" : "";
  if (verdict.verdict === "clear") {
    if (by !== "") say(`gridpost guard: clear${by}`);
    return true;
  }
  if (verdict.verdict === "unknown") {
    const policy = await policyOf(hook);
    const known = verdict.from === null ? "nothing was checked" : "cannot tell";
    say(
      `gridpost guard: ${known}, ${verdict.why ?? "no answer"}; ${policy === "open" ? "going on" : "stopped"} (${policyKey(hook)} is ${policy})`,
    );
    return policy === "open";
  }
  say(`gridpost guard: blocked${by}, others hold what this changes:`);
  say(describeVerdict(verdict));
  if (hook === "pre-receive") return false;
  if (context.actingAs === undefined)
    say("GRIDPOST_AGENT names nobody: what an agent of yours holds counts as another's.");
  say("GRIDPOST_GUARD=off goes on without the guard, and is reported to the server.");
  return false;
}

async function policyOf(hook: Hook): Promise<Policy> {
  const set = await gitLine("config", "--get", policyKey(hook));
  return set === "open" || set === "closed" ? set : DEFAULT_POLICY[hook];
}

async function bypass(
  { hook, context, repo }: HookRun,
  say: (line: string) => void,
): Promise<boolean> {
  const head = (await gitLine("rev-parse", "-q", "--verify", "HEAD")) ?? null;
  const report = { repo, hook, at: new Date().toISOString(), head };
  await noteBypass(context.home, context.project, report);
  say("gridpost guard: switched off by GRIDPOST_GUARD=off; the server will be told");
  return true;
}
