import { ProblemError } from "../contract/problem.ts";
import type { Query } from "./db.ts";
import type { Connection } from "./sqlite-connection.ts";
import { commitError, storeError } from "./sqlite-errors.ts";

const MAX_MEMBERS = 256;
const MIN_GROUP_MS = 25;
const MAX_GROUP_MS = 50;
const STUCK_MS = 1_000;
const NO_VALUES: readonly unknown[] = [];

type Body = (query: Query) => Promise<unknown>;
type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown; readonly stuck?: boolean };

interface Member {
  readonly body: Body;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  outcome?: Outcome;
}

export interface GroupCommitOptions {
  readonly writer: Connection;
  readonly file: string;
  /** Called after each COMMIT; `appended` says whether events are among the changes. */
  readonly onCommit: (appended: boolean) => void;
}

/**
 * The queue in front of the writer connection. Transactions that wait at the same moment share one COMMIT, because the
 * fsync costs more than their statements. A group starts in the check phase of the event loop: calls that arrived in
 * the same poll phase are all in it, and a lone caller waits for nobody.
 *
 * Bodies seldom throw after they wrote, and a savepoint for each costs a copy of every page that it changes. So a group
 * runs without them first; when a body does throw after it wrote, the group is rolled back and all of its bodies run
 * again, each in a savepoint.
 */
export class GroupCommit {
  private readonly writer: Connection;
  private readonly file: string;
  private readonly onCommit: (appended: boolean) => void;
  private readonly sql: Record<
    "begin" | "commit" | "rollback" | "savepoint" | "release" | "rollbackTo",
    () => void
  >;
  private readonly queue: Member[] = [];
  private scheduled = false;
  /** Whether the open transaction holds what a body wrote before it failed. */
  private spoilt = false;
  /** How long the last COMMIT took. */
  private commitMs = 0;
  private closed: (() => void) | undefined;
  private current:
    | { readonly startedAt: number; readonly finish: (outcome: Outcome) => void }
    | undefined;

  constructor({ writer, file, onCommit }: GroupCommitOptions) {
    this.writer = writer;
    this.file = file;
    this.onCommit = onCommit;
    const prepare = (text: string): (() => void) => {
      const statement = writer.database.prepare(text);
      return () => void statement.run();
    };
    this.sql = {
      begin: prepare("begin immediate"),
      commit: prepare("commit"),
      rollback: prepare("rollback"),
      savepoint: prepare("savepoint member"),
      release: prepare("release member"),
      rollbackTo: prepare("rollback to member"),
    };
  }

  /** Queues a body; resolves after the COMMIT of its group. */
  tx<T>(body: (query: Query) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.closed !== undefined) {
        reject(
          new ProblemError("UNAVAILABLE", "the server is stopping", { next: "repeat the call" }),
        );
        return;
      }
      this.queue.push({ body, resolve: resolve as (value: unknown) => void, reject });
      this.schedule();
    });
  }

  /** Waits for everything that is queued; later calls are refused. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.closed = resolve;
      if (!this.scheduled) resolve();
    });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => void this.flush());
  }

  private async flush(): Promise<void> {
    await this.runGroup(this.queue.splice(0, MAX_MEMBERS));
    this.scheduled = false;
    if (this.queue.length > 0) this.schedule();
    else this.closed?.();
  }

  private async runGroup(members: Member[]): Promise<void> {
    const watchdog = setInterval(() => this.endStuckBody(), STUCK_MS / 4);
    let ran = 0;
    try {
      this.begin();
      ran = await this.runMembers(members, (member) => this.runPlain(member));
      if (this.spoilt) {
        this.sql.rollback();
        this.begin();
        ran = await this.runMembers(members, (member) => this.runApart(member));
      }
      this.commit();
    } catch (error) {
      this.failGroup(members, error);
      return;
    } finally {
      clearInterval(watchdog);
    }
    this.queue.unshift(...members.splice(ran));
    for (const member of members) settle(member);
    this.onCommit(this.writer.appended);
  }

  private begin(): void {
    this.writer.appended = false;
    this.spoilt = false;
    this.sql.begin();
  }

  /** Runs members until the group has worked for long enough; returns how many. */
  private async runMembers(
    members: readonly Member[],
    run: (member: Member) => Promise<void>,
  ): Promise<number> {
    const until = performance.now() + this.groupMs();
    let ran = 0;
    for (const member of members) {
      ran += 1;
      // It has hung once already.
      if (member.outcome?.ok === false && member.outcome.stuck === true) continue;
      await run(member);
      if (this.spoilt || performance.now() > until) break;
    }
    return ran;
  }

  /** The slower the disk, the more transactions share a COMMIT: a group works for about as long as its fsync takes. */
  private groupMs(): number {
    return Math.min(Math.max(this.commitMs, MIN_GROUP_MS), MAX_GROUP_MS);
  }

  private commit(): void {
    const from = performance.now();
    this.sql.commit();
    this.commitMs = performance.now() - from;
  }

  /** Runs one body with nothing to roll back to. Throws only when the whole group is lost. */
  private async runPlain(member: Member): Promise<void> {
    this.writer.wrote = false;
    member.outcome = await this.runBody(member.body);
    if (member.outcome.ok) return;
    this.refuseLost(member.outcome.error);
    this.spoilt = this.writer.wrote;
  }

  /** Runs one body in its savepoint. Throws only when the whole group is lost. */
  private async runApart(member: Member): Promise<void> {
    this.sql.savepoint();
    member.outcome = await this.runBody(member.body);
    if (!member.outcome.ok) {
      this.refuseLost(member.outcome.error);
      this.sql.rollbackTo();
    }
    this.sql.release();
  }

  /** A full disk or an I/O error may make SQLite roll back the whole transaction on its own. */
  private refuseLost(error: unknown): void {
    if (!this.writer.database.inTransaction) throw error;
  }

  private async runBody(body: Body): Promise<Outcome> {
    const { query, end } = this.openQuery();
    const outcome = await new Promise<Outcome>((finish) => {
      this.current = { startedAt: performance.now(), finish };
      body(query).then(
        (value) => finish({ ok: true, value }),
        (error: unknown) => finish({ ok: false, error }),
      );
    });
    this.current = undefined;
    const lost = end();
    return lost === undefined ? outcome : { ok: false, error: lost };
  }

  /** The `query` of one body; after `end` it refuses, so that a forgotten `await` cannot write into a stranger's transaction. */
  private openQuery(): { query: Query; end: () => unknown } {
    const { writer, file } = this;
    let ended = false;
    let lost: unknown;
    const query = ((text: string, values: readonly unknown[] = NO_VALUES) => {
      if (ended) return Promise.reject(lost ?? usedTooLate());
      try {
        return Promise.resolve(writer.run(text, values));
      } catch (error) {
        const known = storeError(error, file);
        if (!writer.database.inTransaction) {
          ended = true;
          lost = known;
        }
        return Promise.reject(known);
      }
    }) as Query;
    const end = (): unknown => {
      ended = true;
      return lost;
    };
    return { query, end };
  }

  private endStuckBody(): void {
    const { current } = this;
    if (current === undefined || performance.now() - current.startedAt < STUCK_MS) return;
    const error = new ProblemError(
      "INTERNAL",
      `a transaction awaited something else than its query for over ${STUCK_MS} ms and was rolled back`,
      {
        next: "await only the query that tx gives; do files, network and other transactions before or after it",
      },
    );
    current.finish({ ok: false, error, stuck: true });
  }

  private failGroup(members: readonly Member[], cause: unknown): void {
    if (this.writer.database.inTransaction) this.sql.rollback();
    const error = commitError(cause, this.file);
    for (const member of members) member.reject(error);
  }
}

function settle({ outcome, resolve, reject }: Member): void {
  if (outcome?.ok === true) resolve(outcome.value);
  else reject(outcome?.error);
}

const usedTooLate = (): ProblemError =>
  new ProblemError("INTERNAL", "query was used after its transaction had ended", {
    next: "await every query inside the body that tx runs",
  });
