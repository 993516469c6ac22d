import { CHAIN_START } from "./chain.ts";
import { commitMessage, foreignCommit, ident, signedBytes } from "./commit.ts";
import { type Change, FastImport } from "./fast-import.ts";
import {
  countPacks,
  ensureRepository,
  gitIn,
  readBranch,
  readTip,
  repack,
  sweepLeftovers,
} from "./git.ts";
import type { Signer } from "./ports.ts";

const IDLE_MS = 60_000;
const MAX_COMMITS = 1_000;
/** Git looks for each new object in every pack, of which each commit makes one: many files make that felt sooner. */
const MAX_FILES = 5_000;
/** What processes before this one may leave: they were ended before they had made enough themselves. */
const MAX_FOUND_PACKS = 100;

/** Where a repository has come to. */
export interface Head {
  /** null before the first commit. */
  readonly commit: string | null;
  /** The last event that it holds or has passed over. */
  readonly seq: number;
  readonly chain: string;
  readonly kid: string | null;
}

export interface Batch {
  readonly from: number;
  readonly to: number;
  /** Of the last event, in ms. */
  readonly at: number;
  readonly actors: readonly string[];
  readonly chain: string;
  readonly changes: readonly Change[];
  readonly signer: Signer;
}

export interface RepositoryOptions {
  /** `journal` or `project/<name>`. */
  readonly name: string;
  readonly gitDir: string;
  readonly onError: (error: unknown) => void;
}

const EMPTY: Head = { commit: null, seq: 0, chain: CHAIN_START, kid: null };

/** One Git repository that this process alone writes. */
export class Repository {
  private readonly options: RepositoryOptions;
  private opened: Promise<Head> | undefined;
  private git: FastImport | undefined;
  private idle: NodeJS.Timeout | undefined;
  private littered = false;
  private readonly stopping = new AbortController();
  private ended: Promise<void> = Promise.resolve();
  private chores: Promise<void> = Promise.resolve();

  constructor(options: RepositoryOptions) {
    this.options = options;
  }

  /** The head, read from Git the first time and after a failure. @throws ProblemError CONFLICT for a foreign commit */
  head(): Promise<Head> {
    this.opened ??= this.open().catch((error: unknown) => {
      // What is in the way may go away: the next call looks again.
      this.opened = undefined;
      throw error;
    });
    return this.opened;
  }

  /** Makes one signed commit, the new head; durable when the promise resolves. */
  async append(batch: Batch): Promise<Head> {
    clearTimeout(this.idle);
    let head: Head;
    try {
      head = await this.commit(await this.head(), batch);
      this.opened = Promise.resolve(head);
    } catch (error) {
      this.drop();
      throw error;
    }
    if (this.git !== undefined && (this.littered || isWorn(this.git))) this.rest();
    else this.idle = setTimeout(() => this.rest(), IDLE_MS).unref();
    return head;
  }

  /** The path of the file whose name ends so; looks through the whole tree, for what is done by hand only. */
  async findFile(ending: string): Promise<string | undefined> {
    const { commit } = await this.head();
    if (commit === null) return undefined;
    const args = ["ls-tree", "-r", "-z", "--name-only", commit];
    const paths = (await gitIn(this.options.gitDir).raw(args)).split("\0");
    return paths.find((path) => path.endsWith(ending));
  }

  /** Whether the newest commit holds a file. */
  async holds(path: string): Promise<boolean> {
    const { commit } = await this.head();
    if (commit === null) return false;
    return (await gitIn(this.options.gitDir).raw(["ls-tree", commit, "--", path])) !== "";
  }

  async close(): Promise<void> {
    clearTimeout(this.idle);
    this.stopping.abort();
    await this.git?.end();
    await this.ended;
    await this.chores;
  }

  private async open(): Promise<Head> {
    const { name, gitDir } = this.options;
    await this.ended;
    await ensureRepository(gitDir);
    await sweepLeftovers(gitDir);
    this.littered = (await countPacks(gitDir)) > MAX_FOUND_PACKS;
    const tip = await readTip(gitDir);
    if (tip === null) return EMPTY;
    if (tip.seal === undefined) throw foreignCommit(name, tip.commit);
    const { to, chain, kid } = tip.seal;
    return { commit: tip.commit, seq: to, chain, kid };
  }

  private async commit(head: Head, batch: Batch): Promise<Head> {
    const { name, gitDir } = this.options;
    const { from, to, at, actors, chain, changes, signer } = batch;
    const { kid } = signer;
    const bytes = signedBytes({ repository: name, to, chain, parent: head.commit });
    const signature = Buffer.from(await signer.sign(bytes)).toString("base64url");
    const continues = this.git !== undefined;
    await this.ended;
    this.git ??= new FastImport(gitDir);
    const commit = await this.git.commit({
      author: ident(actors[0] ?? "server"),
      at: Math.floor(at / 1_000),
      message: commitMessage({
        seal: { repository: name, from, to, chain, kid, signature },
        actors,
      }),
      parent: continues ? null : head.commit,
      changes,
    });
    // Git leaves a branch that is locked, or that somebody else moved, as it is and says so on stderr only.
    const onBranch = await readBranch(gitDir);
    if (onBranch === (head.commit ?? "")) throw this.git.failure("the branch did not move");
    if (onBranch !== commit) throw foreignCommit(name, onBranch);
    return { commit, seq: to, chain, kid };
  }

  /** Ends the process and tidies up while the next one may already run: its own packs are kept by `.keep` files. */
  rest(): void {
    const { git } = this;
    this.git = undefined;
    if (git === undefined) return;
    const ended = git.end();
    this.ended = ended;
    this.littered = false;
    const { signal } = this.stopping;
    this.chores = this.chores.then(async () => {
      await ended;
      if (!signal.aborted) await repack(this.options.gitDir, signal);
    });
    this.chores = this.chores.catch((error: unknown) => {
      if (!signal.aborted) this.options.onError(error);
    });
  }

  /** After a failure nothing in memory is believed: the next batch looks at Git again. */
  private drop(): void {
    const { git } = this;
    this.git = undefined;
    this.opened = undefined;
    if (git !== undefined) this.ended = git.end();
  }
}

const isWorn = ({ commits, files }: FastImport): boolean =>
  commits >= MAX_COMMITS || files >= MAX_FILES;
