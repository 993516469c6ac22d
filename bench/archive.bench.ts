import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Signer } from "../archive/ports.ts";
import { type RunningArchive, startArchive } from "../archive/start.ts";
import { gitDirOf, JOURNAL } from "../archive/writer.ts";
import { newId } from "../contract/ids.ts";
import { projections } from "../server/projections.ts";
import { restoreServer } from "../server/restore.ts";
import { type EventLog, openLog } from "../storage/event-log.ts";
import { openLocalFile } from "../storage/local-file.ts";
import type { NewEvent } from "../storage/log.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import type { Bench, Line } from "./bench.ts";
import { inFolder } from "./cells-store.ts";
import { median } from "./measure.ts";

const PROJECT = "default";
const LOAD_SECONDS = 20;
const PER_SECOND = 1_000;
const EVENTS = 100_000;
/** How many events a cost is measured over, and how often: a second each, in which the machine may have other thoughts. */
const WINDOW = 5_000;
const WINDOWS = 5;
/** The end of the long log: its last windows lie around `EVENTS`. */
const END = EVENTS + 3 * WINDOW;
const TICK_MS = 10;

type Print = (line: Line) => void;

export const bench: Bench = {
  method:
    "messages of 300 bytes, half of them in open threads, each with every projection written. Lag: from the return of the appending transaction until the archive's own cursor has passed the event, at 1,000 events/s. Cost: a full log drained into the journal and the project's repository, the median of five times 5,000 events, from the 1,000th of a log each and around the 100,000th. Raw: git fast-import of exactly those commits and bytes, in one go, without checkpoints, signatures or places.",
  run: (print) =>
    inFolder(tmpdir(), async (folder) => {
      await lag(join(folder, "lag"), print);
      await drain(join(folder, "drain"), print);
    }),
};

interface Store {
  readonly log: EventLog;
  readonly folder: string;
  readonly archive: () => Promise<RunningArchive>;
  readonly close: () => Promise<void>;
}

async function openStore(folder: string): Promise<Store> {
  execFileSync("mkdir", ["-p", folder]);
  const db = openSqlite({ file: join(folder, "gridpost.db") });
  await migrate(db);
  const log = openLog({ db, projections });
  const { signer, published } = makeSigner();
  await append(log, [
    { type: "server.created", project: null, actor: "server", body: { id: newId() } },
    { type: "project.created", project: PROJECT, actor: "server", body: { name: PROJECT } },
    { type: "signing_key.published", project: null, actor: "server", body: published },
    registered("blue"),
    registered("red"),
  ]);
  const archive = (): Promise<RunningArchive> =>
    startArchive({
      log,
      folder: join(folder, "archive"),
      signer: () => signer,
      lock: openLocalFile,
      remotes: [],
      report: () => Promise.resolve(null),
      onError: (error) => {
        throw error;
      },
    });
  return { log, folder, archive, close: () => db.close() };
}

function makeSigner(): { readonly signer: Signer; readonly published: object } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { kty, crv, x } = publicKey.export({ format: "jwk" });
  const jwk = { kty, crv, x };
  const signer: Signer = {
    kid: "bench",
    jwk,
    sign: (bytes) => Promise.resolve(sign(null, bytes, privateKey)),
  };
  return { signer, published: { kid: "bench", jwk, activeFrom: 0 } };
}

const registered = (name: string): NewEvent => ({
  type: "agent.registered",
  project: PROJECT,
  actor: "user:anna",
  body: { name, owner: "user:anna", program: null, model: null, task: null, node: null },
});

const WORDS = "prefill decode latency throughput batch kernel cache tensor graph stream".split(" ");

/** A message of about 300 bytes; every second one starts a private thread, every tenth of the others an open one. */
function message(n: number): NewEvent {
  const id = newId();
  const open = n % 2 === 0;
  const starts = !open || n % 20 === 0;
  const thread = open ? `t${Math.floor(n / 20)}` : id;
  const body = Array.from({ length: 36 }, (_, i) => WORDS[(n * 7 + i * i) % WORDS.length]).join(
    " ",
  );
  return {
    type: "message.sent",
    project: PROJECT,
    actor: "agent:default/blue",
    body: {
      id,
      thread,
      open: starts ? open : null,
      replyTo: null,
      from: "blue",
      to: ["red"],
      cc: [],
      bcc: [],
      subject: `result ${n}`,
      body,
      importance: "normal",
      ackRequired: false,
    },
  };
}

const append = (log: EventLog, events: readonly NewEvent[]): Promise<void> =>
  log.tx([], async (tx) => {
    for (const event of events) await tx.append(event);
  });

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function lag(folder: string, print: Print): Promise<void> {
  const store = await openStore(folder);
  const archive = await store.archive();
  await archive.flush();
  const appended: number[] = [];
  const lags: number[] = [];
  const first = (await archive.progress()).lastSeq;
  let loading = true;
  const watching = (async () => {
    let seen = 0;
    while (loading || seen < appended.length) {
      const { archivedSeq } = await archive.progress();
      const now = performance.now();
      for (; seen < archivedSeq - first; seen += 1) lags.push(now - (appended[seen] ?? now));
      await sleep(TICK_MS);
    }
  })();
  const start = performance.now();
  for (let n = 0; n < LOAD_SECONDS * PER_SECOND;) {
    const due = Math.floor(((performance.now() - start) * PER_SECOND) / 1_000);
    const events: NewEvent[] = [];
    for (; n < Math.min(due, LOAD_SECONDS * PER_SECOND); n += 1) events.push(message(n));
    if (events.length > 0) await append(store.log, events);
    const now = performance.now();
    for (const _ of events) appended.push(now);
    await sleep(TICK_MS);
  }
  loading = false;
  await watching;
  await archive.stop();
  await store.close();
  const sorted = lags.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
  print({ what: `event -> commit at ${PER_SECOND} events/s, p50`, value: at(0.5), unit: "ms" });
  print({ what: "event -> commit, p99", value: at(0.99), unit: "ms", ceiling: 1_500 });
}

/** When the archive had passed which event. */
interface Mark {
  readonly seq: number;
  readonly ms: number;
}

/** Fills a log that nobody reads, then archives it: when had the archive passed which event? */
async function drainLog(folder: string, events: number): Promise<Mark[]> {
  const store = await openStore(folder);
  for (let n = 0; n < events; n += 500)
    await append(
      store.log,
      Array.from({ length: 500 }, (_, i) => message(n + i)),
    );
  const archive = await store.archive();
  const marks = await watch(archive, events);
  await archive.stop();
  await store.close();
  return marks;
}

async function drain(folder: string, print: Print): Promise<void> {
  const windows = Array.from({ length: WINDOWS }, (_, i) => i);
  const early: number[] = [];
  for (const i of windows) {
    const marks = await drainLog(join(folder, `short-${i}`), 1_000 + WINDOW);
    early.push(costBetween(marks, 1_000, 1_000 + WINDOW));
  }
  const marks = await drainLog(folder, END);
  const late = windows.map((i) => costBetween(marks, END - (i + 1) * WINDOW, END - i * WINDOW));
  const all = costBetween(marks, 0, EVENTS);
  const [few, many] = [median(early), median(late)];
  print({ what: "cost per event from 1k events", value: few * 1_000, unit: "µs" });
  print({ what: "cost per event around 100k events", value: many * 1_000, unit: "µs" });
  print({ what: "cost at 100k, of the cost at 1k", value: many / few, unit: "x", ceiling: 1.3 });
  print({ what: "drained", value: 1_000 / all, unit: "/s" });
  const raw = await rawImport(folder);
  print({ what: "raw git fast-import of the same", value: raw.perSecond, unit: "/s" });
  print({ what: "drained, of raw", value: 1_000 / all / raw.perSecond, unit: "x" });
  size(folder, print);
  const from = performance.now();
  const { events } = await restoreServer(
    gitDirOf(join(folder, "archive"), JOURNAL),
    join(folder, "restored"),
  );
  const seconds = (performance.now() - from) / 1_000;
  print({ what: `restore of ${events} events`, value: seconds, unit: "s", ceiling: 60 });
}

async function watch(archive: RunningArchive, until: number): Promise<Mark[]> {
  const marks: Mark[] = [];
  for (;;) {
    const { archivedSeq: seq } = await archive.progress();
    marks.push({ seq, ms: performance.now() });
    if (seq >= until) return marks;
    await sleep(TICK_MS);
  }
}

/** Milliseconds per event between two places. */
function costBetween(marks: readonly Mark[], from: number, to: number): number {
  const first = marks.find(({ seq }) => seq >= from);
  const last = marks.find(({ seq }) => seq >= to);
  if (first === undefined || last === undefined || first === last) return Number.NaN;
  return (last.ms - first.ms) / (last.seq - first.seq);
}

const repositories = (folder: string): string[] =>
  [JOURNAL, PROJECT].map((project) => gitDirOf(join(folder, "archive"), project));

async function rawImport(folder: string): Promise<{ readonly perSecond: number }> {
  let tookMs = 0;
  for (const [i, source] of repositories(folder).entries()) {
    const stream = execFileSync("git", ["fast-export", "main"], {
      cwd: source,
      maxBuffer: 2 ** 31 - 1,
    });
    const target = join(folder, `raw-${i}.git`);
    execFileSync("git", ["init", "-q", "--bare", target]);
    const from = performance.now();
    const child = spawn("git", ["--git-dir", target, "fast-import", "--quiet"], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    child.stdin.end(stream);
    await once(child, "exit");
    tookMs += performance.now() - from;
  }
  return { perSecond: (END / tookMs) * 1_000 };
}

function size(folder: string, print: Print): void {
  for (const [i, gitDir] of repositories(folder).entries()) {
    execFileSync("git", ["gc", "-q"], { cwd: gitDir });
    const counted = execFileSync("git", ["count-objects", "-v"], { cwd: gitDir, encoding: "utf8" });
    const kib = Number(/^size-pack: (\d+)$/m.exec(counted)?.[1]);
    const what = `${i === 0 ? "journal" : "readable repository"} after gc, per event`;
    print({ what, value: (kib * 1_024) / END, unit: "B" });
  }
}
