import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { ArchiveDeps, Signer } from "../../archive/ports.ts";
import { type RunningArchive, startArchive } from "../../archive/start.ts";
import { newId } from "../../contract/ids.ts";
import type { EventLog } from "../../storage/event-log.ts";
import { openLog } from "../../storage/event-log.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import type { Projection } from "../../storage/log.ts";
import { migrate } from "../../storage/migrate.ts";
import { openSqlite, type SqliteDb } from "../../storage/sqlite.ts";
import { TestClock } from "../support/clock.ts";

const nothing = (): Promise<void> => Promise.resolve();

/** Accepts every type of event and projects nothing: the archive looks at events only. */
export const anyEvent: Projection = {
  name: "any",
  tables: [],
  apply: Object.fromEntries(
    [
      "agent.registered",
      "agent.retired",
      "agent.unretired",
      "message.sent",
      "message.read",
      "event.redacted",
      "lease.granted",
      "lease.released",
      "lease.expired",
      "sweep.submitted",
      "sweep.finished",
      "signing_key.published",
      "project.created",
    ].map((type) => [type, nothing]),
  ),
};

export interface TestKey {
  readonly signer: Signer;
  readonly event: { readonly kid: string; readonly jwk: object; readonly activeFrom: number };
}

export function makeTestKey(kid: string): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { kty, crv, x } = publicKey.export({ format: "jwk" });
  const jwk = { kty, crv, x };
  return { signer: { kid, jwk, sign: signWith(privateKey) }, event: { kid, jwk, activeFrom: 0 } };
}

const signWith =
  (key: KeyObject): Signer["sign"] =>
  (bytes) =>
    Promise.resolve(sign(null, bytes, key));

/** A log and the folder of its archive. */
export interface ArchiveBench {
  readonly root: string;
  readonly folder: string;
  readonly db: SqliteDb;
  readonly log: EventLog;
  readonly clock: TestClock;
  readonly key: TestKey;
  readonly errors: unknown[];
  readonly start: (deps?: Partial<ArchiveDeps>) => Promise<RunningArchive>;
  /** Appends one event. */
  readonly add: (type: string, body: object, options?: EventOptions) => Promise<string>;
  readonly git: (repository: string, ...args: string[]) => string;
}

interface EventOptions {
  readonly project?: string | null;
  readonly actor?: string;
}

/** Gives each test of the surrounding `describe` a new bench, with the server's key in the log. */
export function useArchive(): () => ArchiveBench {
  let bench: ArchiveBench;
  const running: RunningArchive[] = [];
  beforeEach(async () => {
    bench = await openArchiveBench(running);
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
    await bench.db.close();
    await rm(bench.root, { recursive: true });
  });
  return () => bench;
}

async function openArchiveBench(running: RunningArchive[]): Promise<ArchiveBench> {
  const root = await mkdtemp(join(tmpdir(), "gridpost-archive-"));
  const clock = new TestClock();
  const db = openSqlite({ file: join(root, "gridpost.db"), clock });
  await migrate(db);
  const log = openLog({ db, projections: [anyEvent] });
  const key = makeTestKey("key-1");
  const folder = join(root, "archive");
  const errors: unknown[] = [];
  const add: ArchiveBench["add"] = async (
    type,
    body,
    { project = "default", actor = "agent:default/blue" } = {},
  ) => {
    const event = await log.tx([], (tx) => tx.append({ type, project, actor, body }));
    return event.id;
  };
  await add("signing_key.published", key.event, { project: null, actor: "server" });
  return {
    root,
    folder,
    db,
    log,
    clock,
    key,
    errors,
    add,
    git: (repository, ...args) => gitOut(join(folder, repository), ...args),
    start: async (deps = {}) => {
      const archive = await startArchive({
        log,
        folder,
        signer: () => key.signer,
        lock: openLocalFile,
        remotes: [],
        report: () => Promise.resolve(null),
        onError: (error) => errors.push(error),
        ...deps,
      });
      running.push(archive);
      return archive;
    },
  };
}

export const gitOut = (folder: string, ...args: string[]): string =>
  execFileSync("git", args, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 256 * 1_048_576,
  });

/** The body of a message; in an open thread of its own unless said otherwise. */
export function message(
  fields: { readonly open?: boolean | null; readonly thread?: string; readonly body?: string } = {},
): Record<string, unknown> {
  const id = newId();
  return {
    id,
    thread: id,
    open: true,
    replyTo: null,
    from: "blue",
    to: ["red"],
    cc: [],
    bcc: ["secretive"],
    subject: "hello",
    body: "Hello, **red**.",
    importance: "normal",
    ackRequired: false,
    ...fields,
  };
}
