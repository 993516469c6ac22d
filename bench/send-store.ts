import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallContext, Principal } from "../contract/handlers.ts";
import { newId } from "../contract/ids.ts";
import { mailbox } from "../contract/mailbox.ts";
import { registerAgent } from "../mailbox/agents.ts";
import { mailboxProjection } from "../mailbox/projection.ts";
import { sendHandlers } from "../mailbox/sending.ts";
import type { Db } from "../storage/db.ts";
import { openLog } from "../storage/event-log.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { inFolder } from "./cells-store.ts";
import { AGENTS, agentName, BODY } from "./mail-http.ts";
import { closedLoop, inTurns, type Timed } from "./measure.ts";
import { inGroups, openRaw, ready, recording } from "./raw-replay.ts";

const ROUNDS = 5;
const CALLS = 4_000;

type Turns = Awaited<ReturnType<typeof inTurns>>;

/** Durable sends through the handler, without HTTP, in turns with the same statements alone over a copy of the file. */
export async function storeSends(callers: number): Promise<Turns> {
  let turns: Turns | undefined;
  await inFolder(tmpdir(), async (folder) => {
    const file = join(folder, "sends.db");
    await withAgents(file);
    for (const copy of ["own", "recorded", "raw"]) await copyFile(file, `${file}.${copy}`);
    const recorder = recording(openSqlite({ file: `${file}.recorded` }));
    const note = sender(recorder.db, callers);
    for (let round = 0; round < ROUNDS; round += 1) await note();
    await recorder.db.close();

    const db = openSqlite({ file: `${file}.own` });
    const database = openRaw(`${file}.raw`);
    const bodies = ready(database, recorder.transactions);
    turns = await inTurns(ROUNDS, sender(db, callers), (round) =>
      inGroups(database, bodies.slice(round * CALLS, (round + 1) * CALLS), callers),
    );
    await db.close();
    database.close();
  });
  if (turns === undefined) throw new Error("nothing was measured");
  return turns;
}

async function withAgents(file: string): Promise<void> {
  const db = openSqlite({ file });
  await migrate(db);
  const log = openLog({ db, projections: [mailboxProjection] });
  const own = { project: "default", owner: "user:bench", actor: "user:bench" };
  await log.tx([], async (tx) => {
    for (let n = 0; n < AGENTS; n += 1) await registerAgent(tx, { ...own, name: agentName(n) });
  });
  await db.close();
}

/** A round of sends over a database, each as the server would hand it to the handler. */
function sender(db: Db, callers: number): () => Promise<Timed> {
  const { send } = sendHandlers(openLog({ db, projections: [mailboxProjection] }), 1_000_000);
  let n = 0;
  const call = async (): Promise<void> => {
    n += 1;
    const body = mailbox.send.body.parse({
      to: [agentName(n * 7 + 1)],
      subject: `result ${n}`,
      body: BODY,
    });
    await send({ params: { project: "default" }, body, ...callOf(agentName(n)) });
  };
  return () => closedLoop({ callers, calls: CALLS, call });
}

function callOf(name: string): CallContext {
  const id = `agent:default/${name}`;
  const principal: Principal = {
    id,
    kind: "agent",
    name,
    project: "default",
    act: "user:bench",
    actor: `user:bench>${id}`,
    scopes: new Set(["mail:send"]),
  };
  const idempotency = { key: newId(), endpoint: "bench", hash: "0".repeat(64) };
  return { principal, idempotency, signal: new AbortController().signal };
}
