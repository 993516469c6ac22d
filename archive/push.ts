import { existsSync } from "node:fs";
import { simpleGit } from "simple-git";
import { withoutPassword } from "./clone.ts";
import { credentialConfig, REACHING } from "./credentials.ts";
import { BRANCH } from "./fast-import.ts";
import { BARE } from "./git-stream.ts";
import { readTip } from "./git.ts";
import type { RemoteSettings } from "./ports.ts";

const EVERY_MS = 10_000;
const MAX_PAUSE_MS = 600_000;
const SILENCE_MS = 60_000;
/** So much later everything is stopped that has not stopped by itself. */
const SLACK_MS = 5_000;

/** How far a remote is. */
export interface RemoteState {
  readonly name: string;
  readonly url: string;
  readonly repository: string;
  readonly pushedSeq: number | null;
  readonly error: string | null;
}

export interface Pusher {
  states(): readonly RemoteState[];
  /** Pushes to all remotes now, whatever their pauses. */
  pushAll(): Promise<void>;
  stop(): Promise<void>;
}

export interface PusherDeps {
  readonly remotes: readonly RemoteSettings[];
  /** The folder of a repository by its name in signatures. */
  readonly gitDir: (repository: string) => string;
  readonly onError: (error: unknown) => void;
  /** A remote that is silent for so long is given up for this time. */
  readonly silenceMs?: number;
}

/** Follows the archive with its remotes: never forced, so that a remote can only grow; beside the writer, never before it. */
export function startPusher(deps: PusherDeps): Pusher {
  const { remotes, gitDir, onError, silenceMs = SILENCE_MS } = deps;
  const followed = remotes.map(
    (remote) => new Followed(remote, gitDir(remote.repository), silenceMs),
  );
  const timer = setInterval(() => {
    for (const one of followed) void one.push(false).catch(onError);
  }, EVERY_MS).unref();
  return {
    states: () => followed.map((one) => one.state()),
    pushAll: async () => {
      await Promise.all(followed.map((one) => one.push(true).catch(onError)));
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(followed.map((one) => one.stop()));
    },
  };
}

class Followed {
  private readonly remote: RemoteSettings;
  private readonly gitDir: string;
  private readonly silenceMs: number;
  private readonly stopping = new AbortController();
  private pushedSeq: number | null = null;
  private pushed: string | null = null;
  private error: string | null = null;
  private pauseMs = 0;
  private notBefore = 0;
  private running: Promise<void> | undefined;

  constructor(remote: RemoteSettings, gitDir: string, silenceMs: number) {
    this.silenceMs = silenceMs;
    this.remote = remote;
    this.gitDir = gitDir;
  }

  state(): RemoteState {
    const { name, url, repository } = this.remote;
    const { pushedSeq, error } = this;
    return { name, url: withoutPassword(url), repository, pushedSeq, error };
  }

  /** One push at a time; a second call waits for the first. @throws what went wrong, after noting it */
  push(now: boolean): Promise<void> {
    // Looks come at fixed times, and an attempt takes a moment: half a period early is in time.
    if (!now && performance.now() < this.notBefore - EVERY_MS / 2) return Promise.resolve();
    this.running ??= this.pushOnce().finally(() => (this.running = undefined));
    return this.running;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running?.catch(() => undefined);
  }

  private async pushOnce(): Promise<void> {
    try {
      const tip = await readTip(this.gitDir).catch(() => null);
      if (tip === null) this.error = `there is nothing in ${this.remote.repository} yet`;
      if (tip === null || tip.commit === this.pushed) return;
      await this.send(tip.commit);
      this.pushed = tip.commit;
      this.pushedSeq = tip.seal?.to ?? null;
      this.error = null;
      this.pauseMs = 0;
    } catch (error) {
      this.error = explain(error);
      this.pauseMs = Math.min(Math.max(this.pauseMs * 2, EVERY_MS), MAX_PAUSE_MS);
      this.notBefore = performance.now() + this.pauseMs;
      if (!this.stopping.signal.aborted) throw error;
    }
  }

  private async send(commit: string): Promise<void> {
    const { url, tokenFile } = this.remote;
    // Git's helper would say so in words that Git does not pass on.
    if (tokenFile !== undefined && !existsSync(tokenFile))
      throw new Error(`its tokenFile ${tokenFile} is missing`);
    const git = simpleGit({
      baseDir: this.gitDir,
      abort: this.stopping.signal,
      timeout: { block: this.silenceMs + SLACK_MS },
      config: [BARE, ...endsWhenSilent(this.silenceMs), ...credentialConfig(this.remote, url)],
      ...REACHING,
    });
    await git.raw(["push", "--porcelain", "--progress", url, `${commit}:${BRANCH}`]);
  }
}

/** Whatever stops Git does not stop what speaks HTTP for it, which would wait for a silent remote for ever: it stops itself. */
const endsWhenSilent = (ms: number): string[] => [
  "http.lowSpeedLimit=1",
  `http.lowSpeedTime=${Math.ceil(ms / 1_000)}`,
];

/** SSH says what is wrong before Git says that something is. */
const REASON = /^ssh: |verification failed|fatal|error|denied|rejected/i;

/** What Git said, in one line. */
function explain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/fetch first|non-fast-forward/.test(text))
    return "the remote has diverged: it holds commits that this archive does not; nothing was overwritten";
  if (/block timeout|Operation too slow/.test(text)) return "the remote was silent for too long";
  const lines = text.split("\n").filter((line) => REASON.test(line));
  return withoutPassword((lines[0] ?? text.trim().split("\n")[0] ?? "").trim()).slice(0, 500);
}
