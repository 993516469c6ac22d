import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Client, createClient } from "../../contract/client.ts";
import { systemClock } from "../../runtime/clock.ts";
import { CLI_ENTRY } from "../support/cli.ts";
import { expectReplayEqual, joinAs, type Member } from "../support/server.ts";
import { type ServerProcess, spawnServer } from "../support/server-process.ts";

const params = { project: "default" };

interface Letter {
  readonly key: string;
  readonly subject: string;
  /** null: the server went away before it answered. */
  id: string | null;
}

/** Sends letters one after another, each with its own key, until the server no longer answers. */
async function sendUntilDown(client: Client, name: string, letters: Letter[]): Promise<void> {
  for (let n = 1; ; n += 1) {
    const letter: Letter = { key: randomUUID(), subject: `${name} ${n}`, id: null };
    letters.push(letter);
    try {
      letter.id = (await send(client, letter)).id;
    } catch {
      return;
    }
  }
}

/** Several who send until the server no longer answers. */
function sendAll(client: Client, names: readonly string[]) {
  const letters = names.map((): Letter[] => []);
  const down = Promise.all(
    names.map((name, i) => sendUntilDown(client, name, letters[i] ?? [])),
  ).then(() => letters.flat());
  /** Until each has been answered so often. */
  const answered = (times: number): Promise<void> =>
    expect
      .poll(() => Math.min(...letters.map((one) => one.filter(({ id }) => id !== null).length)))
      .toBeGreaterThanOrEqual(times);
  return { down, answered };
}

const send = (client: Client, { key, subject }: Letter): Promise<{ id: string }> =>
  client.mailbox.send({ params, body: { to: ["sink"], subject } }, { idempotencyKey: key });

/** How a server that should not start ended; one that hangs is killed. */
const endOfServer = (data: string): Promise<{ code: unknown; stderr: string }> =>
  new Promise((resolve) => {
    const command = [CLI_ENTRY, "server", "--data", data, "--listen", "127.0.0.1:0"];
    const limits = { timeout: 60_000, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, command, limits, (error, _stdout, stderr) =>
      resolve({ code: error?.code, stderr }),
    );
  });

it.skipIf(!existsSync("/dev/full"))("runs on while nothing can be written to its log", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-full-"));
  const log = await open("/dev/full", "w");
  const command = [CLI_ENTRY, "server", "--data", data, "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "ignore", log.fd] });
  const ended = once(child, "exit");
  await expect.poll(() => existsSync(join(data, "denied.log"))).toBe(true);
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
  await log.close();
  await rm(data, { recursive: true });
});

describe("a server process", () => {
  let data: string;
  let server: ServerProcess;
  let anna: Member;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "gridpost-crash-"));
    server = await spawnServer(data);
    const token = (await readFile(join(data, "admin.join"), "utf8")).trim();
    anna = await joinAs({ url: server.url, clock: systemClock, token, name: "anna" });
    await anna.asAgent("sink");
    await anna.asAgent("source");
    // Before anything is killed: tokens are good for the restarted server too.
    await Promise.all([anna.agentToken("sink"), anna.agentToken("source")]);
  });
  afterAll(async () => {
    await server.end("SIGKILL");
    await rm(data, { recursive: true, force: true });
  });

  /** The same clients at the address of the server as it runs now. */
  const at = async (name: string): Promise<Client> => {
    const token = await anna.agentToken(name);
    return createClient({ url: server.url, token: () => Promise.resolve(token) });
  };

  /** Every letter in the sink's inbox, by subject, and the places that they have. */
  async function received(): Promise<{ byId: Map<string, string>; seqs: number[] }> {
    const sink = await at("sink");
    const byId = new Map<string, string>();
    const seqs: number[] = [];
    let after = 0;
    for (;;) {
      const page = await sink.mailbox.inbox({ params, query: { after, limit: 500 } });
      for (const { id, seq, subject } of page.messages) {
        byId.set(id, subject);
        seqs.push(seq);
      }
      if (!page.more) return { byId, seqs };
      after = page.next;
    }
  }

  async function expectNothingLostOrDoubled(letters: readonly Letter[]): Promise<void> {
    const source = await at("source");
    // A client repeats what was not answered, with the same key: whether it had been carried out or not.
    for (const letter of letters) letter.id ??= (await send(source, letter)).id;
    const { byId, seqs } = await received();
    for (const { id, subject } of letters) expect(byId.get(id ?? "")).toBe(subject);
    expect(new Set(byId.values()).size).toBe(byId.size);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  }

  it("loses nothing that it acknowledged when it is killed under load", async () => {
    const source = await at("source");
    const sending = sendAll(source, ["a", "b", "c", "d", "e", "f", "g", "h"]);
    await sending.answered(20);
    await server.end("SIGKILL");
    const letters = await sending.down;

    server = await spawnServer(data);
    await expectNothingLostOrDoubled(letters);
  });

  it("stops within 10 s at SIGTERM, answers what it accepted, and loses none of it", async () => {
    const [source, sink] = [await at("source"), await at("sink")];
    const { next } = await sink.mailbox.inbox({ params });
    // Nobody writes to `source`: this poll waits until the server stops.
    const poll = source.mailbox.inbox({ params, query: { after: 0, wait: 60_000 } });
    const sending = sendAll(source, ["i", "j", "k", "l"]);
    await sending.answered(20);
    const before = performance.now();
    expect(await server.end("SIGTERM")).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(await poll).toMatchObject({ messages: [] });
    const letters = await sending.down;

    server = await spawnServer(data);
    expect((await received()).seqs.length).toBeGreaterThan(next);
    await expectNothingLostOrDoubled(letters);
  });

  it("removes what a verification left that was killed with it", async () => {
    const scratch = await mkdtemp(join(tmpdir(), "gridpost-scratch-"));
    vi.stubEnv("TMPDIR", scratch);
    await server.end("SIGTERM");
    server = await spawnServer(data);
    const client = createClient({ url: server.url, token: () => anna.token() });
    const verified = client.archive.verify({ body: { deep: true } }).catch(() => "killed");
    await expect.poll(() => readdir(scratch), { interval: 5 }).toHaveLength(1);
    await server.end("SIGKILL");
    expect(await verified).toBe("killed");
    server = await spawnServer(data);
    vi.unstubAllEnvs();
    expect(await readdir(scratch)).toEqual([]);
    await rm(scratch, { recursive: true });
  });

  it("refuses a second server on its data folder, and a port that is in use", async () => {
    await expect(spawnServer(data)).rejects.toThrow(/another gridpost server runs on the data/);
    const other = await mkdtemp(join(tmpdir(), "gridpost-port-"));
    const address = server.url.slice("http://".length);
    await expect(spawnServer(other, "--listen", address)).rejects.toThrow(/EADDRINUSE/);
    await rm(other, { recursive: true });
  });

  it("refuses a data folder that cannot be made, and ends", async () => {
    const file = join(data, "admin.join");
    for (const [folder, reason] of [
      [join(file, "data"), `${file} is no folder`],
      // Where the system makes no folders, Node's recursive mkdir would try for ever.
      ["/proc/gridpost/data", "ENOENT"],
    ] as const) {
      const { code, stderr } = await endOfServer(folder);
      expect(stderr).toContain(`gridpost: the data folder ${folder} cannot be used: `);
      expect(stderr).toContain(reason);
      expect(stderr.trimEnd().split("\n")).toHaveLength(2);
      expect(code).toBe(1);
    }
  });

  it("refuses settings that it does not know, each by its name", async () => {
    const flags = ["--set", "leases.minTTL=1s", "--set", "colour=red"];
    await expect(spawnServer(data, ...flags)).rejects.toThrow(
      /no setting leases\.minTTL.*no setting colour/s,
    );
  });

  it("can be replayed after all that", async () => {
    expect(await server.end("SIGINT")).toBe(0);
    await expectReplayEqual(join(data, "gridpost.db"));
  });
});
