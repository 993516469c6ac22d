import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Db } from "../storage/db.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { startTestServer } from "../tests/support/server.ts";
import type { Bench, Line } from "./bench.ts";
import { inFolder } from "./cells-store.ts";
import {
  as,
  files,
  fill,
  type LeaseStore,
  mixed,
  openLeaseStore,
  openSessions,
  order,
  params,
} from "./leases-store.ts";
import { closedLoop, inTurns, type Rate, rateOf, type Timed } from "./measure.ts";

const FEW = 100;
const MANY = 10_000;
const P99_MS = 5;
const ROUNDS = 5;
const SESSIONS = 1_000;
const LEASES_EACH = 8;
const BEAT_SECONDS = 15;

type Print = (line: Line) => void;

export const bench: Bench = {
  method:
    "through the handlers, synchronous=FULL, one caller after the other: acquire, timed without the release, beside 100 and beside 10,000 leases of others (90 % paths and directories, 9 % globs below a directory, 1 % that start with **), in turns, with a commit of one row on the same disk as the limit. Requests are of the same mix; those that start with ** are reported apart, and as every such pattern meets every path they are refused (the leases of the mix that start with ** are on another branch for that reason). Over HTTP: client and server in one process.",
  run: (print) =>
    inFolder(tmpdir(), async (folder) => {
      const few = openSqlite({ file: join(folder, "few.db") });
      const many = openSqlite({ file: join(folder, "many.db") });
      const [ofFew, ofMany] = [await openLeaseStore(few), await openLeaseStore(many)];
      await fill(ofFew, FEW);
      await fill(ofMany, MANY);
      const limit = openSqlite({ file: join(folder, "limit.db") });
      await limit.tx([], (query) => query("create table rows (text text not null)"));
      await acquires({ print, few: ofFew, many: ofMany, limit });
      await limit.close();
      await leading({ print, few: ofFew, many: ofMany });
      await checks(print, ofMany);
      await few.close();
      await many.close();
      const beating = openSqlite({ file: join(folder, "beats.db") });
      await beats(print, await openLeaseStore(beating));
      await beating.close();
      await overHttp(print);
    }),
};

interface Both {
  readonly print: Print;
  readonly few: LeaseStore;
  readonly many: LeaseStore;
}

let asked = 0;

/** A request of the mix for something that nobody holds. */
function freeRequest(): string {
  for (;;) {
    asked += 1;
    const { pattern } = mixed(1_000_000 + asked);
    if (!pattern.startsWith("**")) return pattern;
  }
}

/** Acquires one after the other, each timed; the releases are not. */
async function acquireSome(store: LeaseStore): Promise<Timed> {
  const leases: string[] = [];
  const timed = await closedLoop({
    callers: 1,
    calls: 200,
    call: async () => {
      const body = order(freeRequest(), "main");
      leases.push((await store.acquire({ params, body, ...as("asker") })).id);
    },
  });
  await Promise.all(
    leases.map((lease) =>
      store.release({ params: { ...params, lease: lease as never }, ...as("asker") }),
    ),
  );
  return timed;
}

async function acquires({ print, few, many, limit }: Both & { limit: Db }): Promise<void> {
  const commits: Timed[] = [];
  const turns = await inTurns(
    ROUNDS,
    () => acquireSome(many),
    async () => {
      commits.push(await commitSome(limit));
      return acquireSome(few);
    },
  );
  const { one, other, ratio } = turns;
  print(line("one durable commit of one row, the limit", rateOf(commits)));
  print(line("acquire beside 100 leases", other));
  print(line("acquire beside 10,000 leases", one));
  print({ what: "10,000 as a part of 100", value: ratio, unit: "x", floor: 0.5 });
  print({ what: "p99 beside 10,000", value: one.p99, unit: "ms", ceiling: P99_MS });
}

const line = (what: string, { perSecond, p50, p99 }: Rate): Line => ({
  what,
  value: perSecond,
  unit: "/s",
  p50,
  p99,
});

const commitSome = (db: Db): Promise<Timed> =>
  closedLoop({
    callers: 1,
    calls: 200,
    call: async () => {
      await db.tx([], (query) => query("insert into rows (text) values ('x')"));
    },
  });

/** Every request that starts with ** meets the others' paths: what is measured is a refusal with its reasons. */
async function leading({ print, few, many }: Both): Promise<void> {
  const refused = (store: LeaseStore) => async (): Promise<void> => {
    const body = order(`**/report-${(asked += 1)}.md`, "main");
    await store.acquire({ params, body, ...as("asker") }).then(
      () => Promise.reject(new Error("was granted")),
      () => undefined,
    );
  };
  for (const [name, store] of [
    ["100", few],
    ["10,000", many],
  ] as const) {
    const rate = rateOf([await closedLoop({ callers: 1, calls: 50, call: refused(store) })]);
    print(line(`refused: starts with **, beside ${name}`, rate));
  }
}

async function checks(print: Print, many: LeaseStore): Promise<void> {
  const call = async (): Promise<void> => {
    const resources = files(...Array.from({ length: 100 }, freeRequest));
    await many.check({
      params,
      body: { resources, mode: "exclusive", refs: ["main"] },
      ...as("asker"),
    });
  };
  const rate = rateOf([await closedLoop({ callers: 1, calls: 30, call })]);
  print(line("check of 100 patterns against 10,000 leases", rate));
}

async function beats(print: Print, store: LeaseStore): Promise<void> {
  const sessions = await openSessions(store, SESSIONS, LEASES_EACH);
  const before = process.cpuUsage();
  let n = 0;
  const timed = await closedLoop({
    callers: 1,
    calls: SESSIONS,
    call: async () => {
      const one = sessions[(n += 1) % SESSIONS];
      if (one === undefined) return;
      await store.beat({
        params: { ...params, session: one.session },
        body: { leases: one.leases as never[] },
        ...as(one.name),
      });
    },
  });
  const used = process.cpuUsage(before);
  const cpuMs = (used.user + used.system) / 1_000 / SESSIONS;
  const share = ((cpuMs * SESSIONS) / BEAT_SECONDS / 1_000) * 100;
  const rate = rateOf([timed]);
  print(line("beats of a session with 8 leases", rate));
  print({ what: "1,000 sessions beating each 15 s, of one core", value: share, unit: "%" });
  print({ what: "10 % of a core as a multiple of that", value: 10 / share, unit: "x", floor: 1 });
}

async function overHttp(print: Print): Promise<void> {
  const server = await startTestServer();
  try {
    const agent = await server.admin.asAgent("asker");
    for (const callers of [1, 32]) {
      const call = async (): Promise<void> => {
        const { partial: _, ...body } = order(freeRequest(), "main");
        const { id } = await agent.reservations.acquire({ params, body });
        await agent.reservations.release({ params: { ...params, lease: id } });
      };
      const rate = rateOf([await closedLoop({ callers, calls: callers * 100, call })]);
      print(line(`acquire + release over HTTP, ${callers} waiting`, rate));
    }
  } finally {
    await server.stop();
  }
}
