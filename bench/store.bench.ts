import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptId } from "../contract/ids.ts";
import type { Db } from "../storage/db.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import type { Bench, Line } from "./bench.ts";
import { as, inFolder, openCellsStore, queueRuns, registerNodes, reportOf } from "./cells-store.ts";
import { closedLoop, inTurns, type Rate, rateOf, type Timed } from "./measure.ts";
import { inGroups, openRaw, ready, recording } from "./raw-replay.ts";

const CALLERS = 32;
const SAMPLES = 3;
const ROUNDS = 5;
const FLOOR = 4_000;
const FLOOR_OF_RAW = 0.5;

export const bench: Bench = {
  method:
    "busy nodes through the handlers: each call reports a result with 3 samples and claims the next run in one transaction, with every event, lease and sample written, synchronous=FULL. Raw: the same statements with the same values, recorded from that run and sent by better-sqlite3 alone over a copy of the file, as many to a commit as callers wait. Own and raw take turns; the ratio is the median over five rounds.",
  run: (print) =>
    inFolder(tmpdir(), async (folder) => {
      await transactions({ folder, print, callers: 1, calls: 3_000 });
      await transactions({ folder, print, callers: CALLERS, calls: 60_000 });
      await claims({ folder, print, callers: 1, calls: 2_000 });
      await claims({ folder, print, callers: CALLERS, calls: 15_000 });
      await twoCalls({ folder, print, callers: CALLERS, calls: 5_000 });
    }),
};

interface Part {
  readonly folder: string;
  readonly print: (line: Line) => void;
  readonly callers: number;
  readonly calls: number;
}

type Turns = Awaited<ReturnType<typeof inTurns>>;

interface Compared {
  readonly what: string;
  readonly turns: Turns;
  readonly floors?: { readonly rate: number; readonly ofRaw: number } | undefined;
}

function compare({ print }: Part, { what, turns, floors }: Compared): void {
  const line = (name: string, { perSecond: value, p50, p99 }: Rate): Line => ({
    what: name,
    value,
    unit: "/s",
    p50,
    p99,
  });
  print({ ...line(what, turns.one), ...(floors === undefined ? {} : { floor: floors.rate }) });
  print(line(`${what}, raw`, turns.other));
  const ratio: Line = { what: `${what}, of raw`, value: turns.ratio, unit: "x" };
  print(floors === undefined ? ratio : { ...ratio, floor: floors.ofRaw });
}

const INSERT = "insert into e_cursors (name, seq) values ($1, $2)";

/** One insert to a transaction: what it costs to make anything durable here. */
async function transactions(part: Part): Promise<void> {
  const { folder, callers, calls: all } = part;
  const calls = all / ROUNDS;
  const db = await openMigrated(join(folder, `insert-${callers}.db`));
  let n = 0;
  const call = async (): Promise<void> => {
    const place = (n += 1);
    await db.tx([], (query) => query(INSERT, [`c${place}`, place]));
  };
  const database = openRaw(join(folder, `raw-insert-${callers}.db`));
  database.exec("create table e_cursors (name text primary key, seq bigint not null)");
  const insert = database.prepare(INSERT);
  const bodies = Array.from({ length: all }, (_, i) => [() => insert.run({ 1: `c${i}`, 2: i })]);
  const turns = await inTurns(
    ROUNDS,
    () => closedLoop({ callers, calls, call }),
    (round) => inGroups(database, bodies.slice(round * calls, (round + 1) * calls), callers),
  );
  await db.close();
  database.close();
  compare(part, { what: `durable transactions, ${callers} waiting`, turns });
}

async function openMigrated(file: string): Promise<Db> {
  const db = openSqlite({ file });
  await migrate(db);
  return db;
}

/** One call is a completion and the claim of the next run, as a busy node makes it. */
async function claims(part: Part): Promise<void> {
  const { folder, callers, calls: all } = part;
  const calls = all / ROUNDS;
  const file = join(folder, `claims-${callers}.db`);
  const setup = await openMigrated(file);
  await queueRuns(await openCellsStore(setup, folder), all + callers);
  await setup.close();
  for (const copy of ["own", "recorded", "raw"]) await copyFile(file, `${file}.${copy}`);

  const recorder = recording(openSqlite({ file: `${file}.recorded` }));
  const noted = await worker(part, recorder.db);
  const spans: (readonly [number, number])[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await noted.refresh();
    const from = recorder.transactions.length;
    await noted.work(calls);
    spans.push([from, recorder.transactions.length]);
  }
  await recorder.db.close();

  const db = openSqlite({ file: `${file}.own` });
  const own = await worker(part, db);
  const database = openRaw(`${file}.raw`);
  const bodies = ready(database, recorder.transactions);
  let done = 0;
  const turns = await inTurns(
    ROUNDS,
    async () => {
      await own.refresh();
      return own.work(calls);
    },
    (round) => {
      const [from, to] = spans[round] ?? [0, 0];
      inGroups(database, bodies.slice(done, from), callers);
      done = to;
      return inGroups(database, bodies.slice(from, to), callers);
    },
  );
  await db.close();
  database.close();
  const floors = callers === 1 ? undefined : { rate: FLOOR, ofRaw: FLOOR_OF_RAW };
  compare(part, { what: `claim+complete, ${callers} waiting`, turns, floors });
}

/** A completion that takes nothing further, then a claim, as a node makes them that comes back from being idle. */
async function twoCalls({ folder, print, callers, calls }: Part): Promise<void> {
  const file = join(folder, "two-calls.db");
  const db = await openMigrated(file);
  await queueRuns(await openCellsStore(db, folder), calls + callers);
  const own = await worker({ folder, callers }, db);
  await own.refresh();
  const { perSecond: value, p50, p99 } = rateOf([await own.workApart(calls)]);
  await db.close();
  const what = `claim, then complete: two transactions, ${callers} waiting`;
  print({ what, value, unit: "/s", p50, p99 });
}

interface Worker {
  /** Beats for every node, so that none counts as silent, and claims for those that have nothing yet. */
  readonly refresh: () => Promise<void>;
  /** So many calls over all nodes: each reports what it has and takes the next. */
  readonly work: (calls: number) => Promise<Timed>;
  /** The same with a completion and a claim of their own for each. */
  readonly workApart: (calls: number) => Promise<Timed>;
}

/** As many busy nodes as callers over a database. */
async function worker(
  { folder, callers }: Pick<Part, "folder" | "callers">,
  db: Db,
): Promise<Worker> {
  const store = await openCellsStore(db, folder);
  const report = reportOf(SAMPLES);
  const capacity = { gpus: [], slots: 1, runtimes: ["process" as const] };
  const nodes = Array.from({ length: callers }, (_, i) => as("node", `n${i}`));
  const inHand: AttemptId[] = [];
  const complete = async (caller: number, next: typeof capacity | null) => {
    const [node, attempt] = [nodes[caller], inHand[caller]];
    if (node === undefined || attempt === undefined) throw new Error("a node has no work");
    const reply = await store.cells.complete({
      ...node,
      params: { attempt },
      body: { report, next },
    });
    if (!reply.accepted) throw new Error("the store did not take a result");
    return { node, next: reply.next };
  };
  const take = (caller: number, session: Awaited<ReturnType<typeof complete>>["next"]): void => {
    const attempt = session?.runs[0]?.attempt.id;
    if (attempt === undefined) throw new Error("the store gave no work");
    inHand[caller] = attempt as AttemptId;
  };
  const call = async (caller: number): Promise<void> =>
    take(caller, (await complete(caller, capacity)).next);
  const twice = async (caller: number): Promise<void> => {
    const { node } = await complete(caller, null);
    take(caller, (await store.cells.claim({ ...node, body: capacity })).session);
  };
  return {
    refresh: async () => {
      await registerNodes(store, callers);
      for (const [i, node] of nodes.entries()) {
        if (inHand[i] !== undefined) continue;
        take(i, (await store.cells.claim({ ...node, body: capacity })).session);
      }
    },
    work: (calls) => closedLoop({ callers, calls, call }),
    workApart: (calls) => closedLoop({ callers, calls, call: twice }),
  };
}
