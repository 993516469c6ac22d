import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../contract/client.ts";
import { systemClock } from "../../runtime/clock.ts";
import { machineTime } from "../support/machine-time.ts";
import { joinAs, type Member, memberAt } from "../support/server.ts";
import { type ServerProcess, spawnServer } from "../support/server-process.ts";

const params = { project: "default" };
const SENDERS = 4;
const EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/** Two hundred kills leave a long log, and all of it is replayed. */
const VERIFY_MS = 900_000;

/** A small generator whose sequence is fixed by its seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface ArchiveCrashes {
  readonly kills: number;
  readonly seed: number;
  /** How long after the server is back everything must be in Git, in time that the machine really had. */
  readonly lagMs: number;
}

/** Kills the server, its Git, or both, at seeded moments under load, and looks what is in Git afterwards. */
export function describeArchiveCrashes({ kills, seed, lagMs }: ArchiveCrashes): void {
  describe.runIf(process.platform === "linux")(
    `the archive over ${kills} kills (seed ${seed})`,
    () => {
      const random = seeded(seed);
      const acknowledged: string[] = [];
      let data: string;
      let server: ServerProcess;
      let anna: Member;
      let token: string;
      beforeAll(async () => {
        data = await mkdtemp(join(tmpdir(), "gridpost-archive-crash-"));
        server = await spawnServer(data);
        const join1 = (await readFile(join(data, "admin.join"), "utf8")).trim();
        anna = await joinAs({ url: server.url, clock: systemClock, token: join1, name: "anna" });
        await anna.asAgent("red");
        await anna.asAgent("blue");
        token = await anna.agentToken("blue");
      });
      afterAll(async () => {
        await server.end("SIGKILL");
        await rm(data, { recursive: true, force: true });
      });

      const blue = (): Client =>
        createClient({ url: server.url, token: (fresh) => freshToken(fresh) });
      /** Tokens end after ten minutes; a long run needs new ones. */
      async function freshToken(fresh: boolean): Promise<string> {
        if (fresh) token = await atNow().agentToken("blue");
        return token;
      }
      const atNow = (): Member => memberAt(server.url, anna, systemClock);

      /** Sends until the time is over or the server is gone. */
      async function sendFor(ms: number): Promise<void> {
        const client = blue();
        const until = performance.now() + ms;
        while (performance.now() < until) {
          try {
            const body = { to: ["red"], subject: "s", open: acknowledged.length % 2 === 0 };
            acknowledged.push((await client.mailbox.send({ params, body })).id);
          } catch {
            return;
          }
        }
      }

      /** The Git processes of the server. */
      const gitPids = (): number[] => {
        const { pid } = server;
        const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
        const pids = children.split(" ").filter(Boolean);
        return pids.filter((child) => nameOf(child) === "git").map(Number);
      };

      const journal = (...args: string[]): string =>
        execFileSync("git", args, {
          cwd: join(data, "archive/journal.git"),
          encoding: "utf8",
          maxBuffer: 2 ** 30,
        });
      const counts = new Map<string, number>();
      let counted = EMPTY_TREE;
      /** How often each message is in the journal. Reads what is new only: Git must have the machine to itself. */
      function archived(): Map<string, number> {
        const head = journal("for-each-ref", "--format=%(objectname)", "refs/heads/main").trim();
        if (head === "") return counts;
        const added = journal("diff", "--unified=0", counted, head, "--", "segments");
        for (const line of added.split("\n")) {
          if (!line.startsWith("+{") || !line.includes('"type":"message.sent"')) continue;
          const { id } = (JSON.parse(line.slice(1)) as { body: { id: string } }).body;
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        counted = head;
        return counts;
      }

      it("has every acknowledged message soon, once, and stays verifiable", async () => {
        for (let kill = 1; kill <= kills; kill += 1) {
          const load = Promise.all(Array.from({ length: SENDERS }, () => sendFor(1_500)));
          await sleep(100 + random() * 1_000);
          const victim = Math.floor(random() * 3);
          const children = victim === 0 ? [] : gitPids();
          const ended = victim === 1 ? Promise.resolve(0) : server.end("SIGKILL");
          for (const pid of children) killIfThere(pid);
          await ended;
          await load;
          if (victim !== 1) server = await spawnServer(data);
          const found = () => {
            const counts = archived();
            const missing = acknowledged.filter((id) => !counts.has(id));
            const doubled = [...counts].filter(([, count]) => count > 1);
            return { kill, victim, missing, doubled };
          };
          const since = machineTime();
          let result = found();
          while (result.missing.length > 0 && since() < lagMs) {
            await sleep(100);
            result = found();
          }
          expect(result).toEqual({ kill, victim, missing: [], doubled: [] });
        }
        expect(acknowledged.length).toBeGreaterThan(kills);
        const token = (): Promise<string> => atNow().token();
        const admin = createClient({ url: server.url, token, timeoutMs: VERIFY_MS });
        const verified = await admin.archive.verify({ body: { deep: true } });
        expect(verified).toMatchObject({ ok: true, fault: null, difference: null });
      });
    },
  );
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself a moment ago.
  }
}
