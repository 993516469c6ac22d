import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import type { Bench } from "./bench.ts";
import {
  as,
  type CellsStore,
  inFolder,
  INSTALL,
  openCellsStore,
  queueRuns,
  registerNodes,
} from "./cells-store.ts";
import { rateOf } from "./measure.ts";

const NODES = 1_000;
const ATTEMPTS = 8;
const BEAT_MS = 15_000;
const BEATS = 3;
/** Of one core. */
const CEILING_PERCENT = 10;

export const bench: Bench = {
  method: `${NODES} simulated nodes with ${ATTEMPTS} attempts each beat through the handlers, one after the other as they would arrive; each beat is a durable transaction that renews ${ATTEMPTS} leases. The share of a core is the processor time of a beat times the beats of ${BEAT_MS / 1_000} s.`,
  run: (print) =>
    inFolder(tmpdir(), async (folder) => {
      const db = openSqlite({ file: join(folder, "fleet.db") });
      await migrate(db);
      const store = await openCellsStore(db, folder);
      await queueRuns(store, NODES * ATTEMPTS);
      const sessions = await claimAll(store);
      const times: number[] = [];
      const before = process.cpuUsage();
      const from = performance.now();
      for (let round = 0; round < BEATS; round += 1)
        for (let node = 0; node < NODES; node += 1) {
          const sent = performance.now();
          await beat(store, node, sessions[node] ?? []);
          times.push(performance.now() - sent);
        }
      const tookMs = performance.now() - from;
      const { user, system } = process.cpuUsage(before);
      const cpuMs = (user + system) / 1_000 / times.length;
      const { perSecond, p50, p99 } = rateOf([{ times, tookMs }]);
      print({ what: "beats, one waiting", value: perSecond, unit: "/s", p50, p99 });
      print({ what: "processor time of a beat", value: cpuMs, unit: "ms" });
      const percent = (cpuMs * NODES * 100) / BEAT_MS;
      print({ what: "share of a core", value: percent, unit: "%", ceiling: CEILING_PERCENT });
      await db.close();
    }),
};

/** Gives every node its sessions, as a few at a time. */
async function claimAll(store: CellsStore): Promise<string[][]> {
  const sessions: string[][] = [];
  for (let from = 0; from < NODES; from += 100) {
    const nodes = Array.from({ length: 100 }, (_, i) => from + i);
    await registerNodes(store, 100, from);
    sessions.push(...(await Promise.all(nodes.map((node) => claimEight(store, node)))));
  }
  return sessions;
}

async function claimEight({ cells }: CellsStore, node: number): Promise<string[]> {
  const body = { gpus: [], slots: ATTEMPTS, runtimes: ["process" as const] };
  const ids: string[] = [];
  for (let i = 0; i < ATTEMPTS; i += 1) {
    const { session } = await cells.claim({ ...as("node", `n${node}`), body });
    if (session === null) throw new Error(`node n${node} was given nothing`);
    ids.push(session.id);
  }
  return ids;
}

async function beat({ nodes }: CellsStore, node: number, sessions: string[]): Promise<void> {
  const { lost } = await nodes.beat({
    ...as("node", `n${node}`),
    body: {
      installId: INSTALL,
      ready: true,
      reason: null,
      sessions: sessions as Parameters<CellsStore["nodes"]["beat"]>[0]["body"]["sessions"],
      images: { "bench:latest": `sha256:${"a".repeat(64)}` },
    },
  });
  if (lost.length > 0) throw new Error(`node n${node} lost ${lost.length} sessions`);
}
