import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptId } from "../contract/ids.ts";
import type { Db } from "../storage/db.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import type { Bench, Line } from "./bench.ts";
import { as, inFolder, openCellsStore, queueRuns, registerNodes, reportOf } from "./cells-store.ts";
import { closedLoop, inTurns, type Rate, type Timed } from "./measure.ts";
import { inGroups, openRaw, ready, recording } from "./raw-replay.ts";

const CALLERS = 32;
const SAMPLES = 3;
const ROUNDS = 5;
const FLOOR = 4_000;
const FLOOR_OF_RAW = 0.5;

export const bench: Bench = {
  method:
    "claim, then complete with 3 samples, through the handlers: two transactions with every event, lease and sample written, synchronous=FULL. Raw: the same statements with the same values, recorded from that run and sent by better-sqlite3 alone over a copy of the file, as many to a commit as callers wait. Own and raw take turns; the ratio is the median over five rounds.",
  run: (print) =>
    inFolder(tmpdir(), async (folder) => {
      await transactions({ folder, print, callers: 1, calls: 3_000 });
      await transactions({ folder, print, callers: CALLERS, calls: 60_000 });
      await claims({ folder, print, callers: 1, calls: 2_000 });
      await claims({ folder, print, callers: CALLERS, calls: 15_000 });
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

/** One call is a claim and the completion of what it granted. */
async function claims(part: Part): Promise<void> {
  const { folder, callers, calls: all } = part;
  const calls = all / ROUNDS;
  const file = join(folder, `claims-${callers}.db`);
  const setup = await openMigrated(file);
  await queueRuns(await openCellsStore(setup, folder), all);
  await setup.close();
  for (const copy of ["own", "recorded", "raw"]) await copyFile(file, `${file}.${copy}`);

  const recorder = recording(openSqlite({ file: `${file}.recorded` }));
  const noted = await worker(part, recorder.db);
  for (let round = 0; round < ROUNDS; round += 1) await noted(calls);
  await recorder.db.close();

  const db = openSqlite({ file: `${file}.own` });
  const own = await worker(part, db);
  const database = openRaw(`${file}.raw`);
  const bodies = ready(database, recorder.transactions);
  const share = bodies.length / ROUNDS;
  const turns = await inTurns(
    ROUNDS,
    () => own(calls),
    (round) => {
      const some = bodies.slice(round * share, (round + 1) * share);
      const { times, tookMs } = inGroups(database, some, callers);
      // Two transactions are one call.
      return { times: times.filter((_, i) => i % 2 === 0).map((time) => 2 * time), tookMs };
    },
  );
  await db.close();
  database.close();
  const floors = callers === 1 ? undefined : { rate: FLOOR, ofRaw: FLOOR_OF_RAW };
  compare(part, { what: `claim+complete, ${callers} waiting`, turns, floors });
}

/** Nodes that claim and complete over a database, as often as asked. */
async function worker(
  { folder, callers }: Part,
  db: Db,
): Promise<(calls: number) => Promise<Timed>> {
  const store = await openCellsStore(db, folder);
  const report = reportOf(SAMPLES);
  const capacity = { gpus: [], slots: 1, runtimes: ["process" as const] };
  const nodes = Array.from({ length: callers }, (_, i) => as("node", `n${i}`));
  const call = async (caller: number): Promise<void> => {
    const node = nodes[caller] as ReturnType<typeof as>;
    const { session } = await store.cells.claim({ ...node, body: capacity });
    const attempt = session?.runs[0]?.attempt.id as AttemptId;
    const body = { report, next: null };
    const { accepted } = await store.cells.complete({ ...node, params: { attempt }, body });
    if (!accepted) throw new Error("the store did not take the result");
  };
  return async (calls) => {
    await registerNodes(store, callers);
    return closedLoop({ callers, calls, call });
  };
}
