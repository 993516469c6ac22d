import { GrantedRun, Session } from "../contract/cells.ts";
import { newId } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { SpoolDb } from "./ports.ts";
import {
  type AttemptRow,
  Ended,
  type ExecutionRow,
  KeptReport,
  Offer,
  parse,
  Plan,
  Rows,
  StopReason,
} from "./spool-rows.ts";

/** Each brings the spool from the version before to its own; the first one to version 1. Never changed, only added to. */
const VERSIONS = [
  `
create table if not exists sessions (id text primary key, session text not null);
create table if not exists attempts (
  id text primary key, session text not null, position integer not null, run text not null,
  plan text, stop text, report text, offer text
);
create table if not exists executions (
  attempt text not null, n integer not null, state text not null,
  container text, started_at real, ended text, primary key (attempt, n)
);
create table if not exists gpu_locks (uuid text primary key, session text not null);
`,
  "alter table executions add column spec text",
] as const;

const META = "create table if not exists meta (key text primary key, value text not null)";

/**
 * The daemon's memory: every step of an attempt is written here before it is taken, so that the next life of the
 * daemon knows what may exist. Rows go when the server has acknowledged the result.
 */
export class Spool {
  private readonly db: SpoolDb;
  /** Nobody has written to it before. */
  readonly isNew: boolean;

  /**
   * @param install the mark of this installation, if it is known
   * @throws ProblemError PROTOCOL_UNSUPPORTED for a spool of a newer version
   */
  constructor(db: SpoolDb, install?: string) {
    this.db = db;
    db.run(META);
    const version = Number(this.meta("version") ?? 0);
    this.isNew = version === 0;
    if (version > VERSIONS.length)
      throw new ProblemError(
        "PROTOCOL_UNSUPPORTED",
        `the spool has version ${version}, newer than this daemon`,
        {
          next: "start the version that wrote it",
        },
      );
    db.tx(() => {
      for (const change of VERSIONS.slice(version)) db.run(change);
      this.setMeta("version", String(VERSIONS.length));
    });
    if (this.meta("install") === undefined) this.setMeta("install", install ?? newId());
  }

  /** Marks what this daemon starts, for as long as its folder exists. */
  get installId(): string {
    return this.meta("install") ?? "";
  }

  meta(key: string): string | undefined {
    const rows = Rows.value.parse(this.db.all("select value from meta where key = $1", [key]));
    return rows[0]?.value;
  }

  setMeta(key: string, value: string | null): void {
    if (value === null) this.db.run("delete from meta where key = $1", [key]);
    else
      this.db.run(
        "insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value",
        [key, value],
      );
  }

  /** All of what the body writes, or none of it. */
  tx(body: () => void): void {
    this.db.tx(body);
  }

  /** The pending claim has been answered; a granted session is written down with its GPU locks, all or none. */
  endClaim(session: Session | null): void {
    this.db.tx(() => {
      this.setMeta("claim", null);
      if (session !== null) this.insertSession(session);
    });
  }

  private insertSession(session: Session): void {
    this.db.run("insert into sessions (id, session) values ($1, $2) on conflict do nothing", [
      session.id,
      JSON.stringify(session),
    ]);
    for (const [position, run] of session.runs.entries())
      this.db.run(
        "insert into attempts (id, session, position, run) values ($1, $2, $3, $4) on conflict do nothing",
        [run.attempt.id, session.id, position, JSON.stringify(run)],
      );
    for (const uuid of session.gpus)
      this.db.run("insert into gpu_locks (uuid, session) values ($1, $2) on conflict do nothing", [
        uuid,
        session.id,
      ]);
  }

  sessions(): Session[] {
    return Rows.session
      .parse(this.db.all("select session from sessions order by id"))
      .map(({ session }) => parse(Session, session));
  }

  /** UUIDs of locked GPUs with the session that holds each. */
  gpuLocks(): Map<string, string> {
    const rows = Rows.lock.parse(this.db.all("select uuid, session from gpu_locks"));
    return new Map(rows.map(({ uuid, session }) => [uuid, session]));
  }

  attempts(session: string): AttemptRow[] {
    const rows = this.db.all(
      "select id, session, run, plan, stop, report, offer from attempts where session = $1 order by position",
      [session],
    );
    return Rows.attempt.parse(rows).map((row) => ({
      id: row.id,
      session: row.session,
      run: parse(GrantedRun, row.run),
      plan: parse(Plan, row.plan),
      stop: parse(StopReason, row.stop),
      report: parse(KeptReport, row.report),
      ...(row.offer === null ? {} : { offer: parse(Offer.nullable(), row.offer) }),
    }));
  }

  setPlan(attempt: string, plan: Plan): void {
    this.db.run("update attempts set plan = $2 where id = $1", [attempt, JSON.stringify(plan)]);
  }

  /** The first reason stays. */
  setStop(attempt: string, reason: StopReason): void {
    this.db.run("update attempts set stop = $2 where id = $1 and stop is null", [
      attempt,
      JSON.stringify(reason),
    ]);
  }

  setReport(attempt: string, report: KeptReport): void {
    this.db.run("update attempts set report = $2 where id = $1", [attempt, JSON.stringify(report)]);
  }

  setOffer(attempt: string, offer: Offer | null): void {
    this.db.run("update attempts set offer = $2 where id = $1", [attempt, JSON.stringify(offer)]);
  }

  executions(attempt: string): ExecutionRow[] {
    const rows = this.db.all(
      "select n, state, container, spec, started_at, ended from executions where attempt = $1 order by n",
      [attempt],
    );
    return Rows.execution.parse(rows).map(({ started_at, ended, ...row }) => ({
      ...row,
      startedAt: started_at,
      ended: parse(Ended, ended),
    }));
  }

  /** `spec` is what is or was asked of the engine; what exists already keeps its state. */
  creating(attempt: string, n: number, spec: string): void {
    this.db.run(
      `insert into executions (attempt, n, spec, state) values ($1, $2, $3, 'creating') on conflict (attempt, n)
       do update set spec = excluded.spec`,
      [attempt, n, spec],
    );
  }

  created(attempt: string, n: number, container: string): void {
    this.db.run(
      "update executions set state = 'created', container = $3 where attempt = $1 and n = $2 and state = 'creating'",
      [attempt, n, container],
    );
  }

  started(attempt: string, n: number, at: number): void {
    this.db.run(
      "update executions set state = 'started', started_at = coalesce(started_at, $3) where attempt = $1 and n = $2",
      [attempt, n, at],
    );
  }

  ended(attempt: string, n: number, ended: Ended): void {
    this.db.run("update executions set state = 'ended', ended = $3 where attempt = $1 and n = $2", [
      attempt,
      n,
      JSON.stringify(ended),
    ]);
  }

  /** Every execution that is or may be in an engine: the rest with our mark is an orphan. */
  executionKeys(): Set<string> {
    const rows = Rows.name.parse(this.db.all("select attempt, n from executions"));
    return new Set(rows.map(({ attempt, n }) => `${attempt}-${n}`));
  }

  /** The server has the result (or will never take it): the attempt is forgotten, and a next session written down. */
  acknowledge(attempt: string, next: Session | null): void {
    this.db.tx(() => {
      this.db.run("delete from executions where attempt = $1", [attempt]);
      this.db.run("delete from attempts where id = $1", [attempt]);
      const done = "not exists (select 1 from attempts where attempts.session = sessions.id)";
      this.db.run(`delete from sessions where ${done}`);
      this.db.run("delete from gpu_locks where session not in (select id from sessions)");
      if (next !== null) this.insertSession(next);
    });
  }

  close(): void {
    this.db.close();
  }
}
