import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt, SignJWT } from "jose";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { TOKEN_TYPES } from "../../contract/token.ts";
import { projections } from "../../server/projections.ts";
import { loadSigningKeys } from "../../server/identity/signing-keys.ts";
import { readSettings, type RunningServer, startServer } from "../../server/main.ts";
import { restoreServer } from "../../server/restore.ts";
import { verifyClone } from "../../server/verify-clone.ts";
import { stateHash } from "../../storage/state-hash.ts";
import { registerNode, workAll } from "../support/node.ts";
import {
  expectReplayEqual,
  type Member,
  memberAt,
  startTestServer,
  type TestServer,
} from "../support/server.ts";
import { systemClock } from "../../runtime/clock.ts";

const project = { project: "default" };
const tables = projections.flatMap((projection) => projection.tables);

const sweep = {
  name: "small",
  matrix: { axes: { size: [1, 2] } },
  cell: { runtime: "process" as const, command: ["true", "${size}"] },
  repeats: 1,
  metrics: { primary: "performance", direction: "higher" as const },
};

describe("a restore from the journal", () => {
  let server: TestServer;
  let work: string;
  let anna: Member;
  let blue: Client;
  let running: RunningServer | undefined;

  beforeEach(async () => {
    work = mkdtempSync(join(tmpdir(), "gridpost-restore-"));
    server = await startTestServer();
    anna = await server.join("user", "anna");
    blue = await anna.asAgent("blue");
    await anna.asAgent("red");
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
    await server.stop();
    rmSync(work, { recursive: true });
  });

  const send = (
    body: string,
    key?: string,
  ): Promise<{ id: string; recipients: { seq: number }[] }> =>
    blue.mailbox.send(
      { params: project, body: { to: ["red"], subject: "hello", body } },
      key === undefined ? {} : { idempotencyKey: key },
    );
  const reserve = (pattern: string): Promise<{ id: string; fence: number }> =>
    blue.reservations.acquire({
      params: project,
      body: { resources: [{ kind: "file", repo: "repo", pattern }], ttlMs: 3_600_000 },
    });
  const journal = (): string => join(server.data, "archive/journal.git");
  const clone = (): string => {
    const folder = join(work, "clone");
    execFileSync("git", ["clone", "-q", journal(), folder]);
    return folder;
  };
  const startRestored = async (data: string, clock = systemClock): Promise<RunningServer> => {
    const settings = readSettings({ data, listen: "127.0.0.1:0", set: [] });
    running = await startServer({ settings, clock, log: pino({ level: "silent" }) });
    return running;
  };

  it("gives the same state, then a new epoch in which old keys join in and old places go on", async () => {
    const node = await server.join("node", "n1");
    await registerNode(node.client);
    await blue.cells.submitSweep({ params: project, body: { sweep } });
    await workAll(node.client);
    await send("one", "key-of-one");
    const lease = await reserve("src/**");
    const report = "select 1 from p_messages where subject like 'Report of sweep %'";
    await expect.poll(() => server.running.eventLog.query(report)).toHaveLength(1);
    await server.running.archive.flush();
    const last = (await server.running.archive.progress()).lastSeq;
    const original = await stateHash(server.running.eventLog.query, tables);

    const restored = await restoreServer(clone(), join(work, "new"));
    expect(restored).toMatchObject({ lastSeq: last, epoch: 2, stateHash: original });

    const again = await startRestored(restored.data);
    const { query } = again.eventLog;
    const [event] = await query("select seq, type from events where seq > $1 order by seq", [last]);
    expect(event).toEqual({ seq: last + 1_000_000, type: "server.restored" });
    const old = await fetch(`${again.url}/v1/whoami`, {
      headers: { authorization: `Bearer ${await server.admin.token()}` },
    });
    expect(old.status).toBe(401);
    // Whoever has the old signing key, and knows the new generation, makes no token with it.
    const { eventLog } = server.running;
    const before = await loadSigningKeys(eventLog.query, join(server.data, "keys"));
    const { kid, key } = before.current(eventLog.now());
    const claims = decodeJwt(await server.admin.token());
    const forged = await new SignJWT({ ...claims, gen: 2 })
      .setProtectedHeader({ alg: "EdDSA", typ: TOKEN_TYPES.user, kid })
      .sign(key);
    const answer = await fetch(`${again.url}/v1/whoami`, {
      headers: { authorization: `Bearer ${forged}` },
    });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({
      message: expect.stringContaining("unknown key") as unknown,
    });

    const admin = memberAt(again.url, server.admin, systemClock);
    const anna = (await admin.client.identity.whoami({})).principal;
    expect(anna).toBe("user:admin");
    const inbox = await query<{ seq: number }>(
      "select next_seq as seq from p_agents where name = 'red'",
    );
    expect(inbox[0]?.seq).toBe(1_000_002);
    const due = await query<{ due: number }>("select due from e_deadlines where subject = $1", [
      lease.id,
    ]);
    const [at] = await query<{ at: number }>(
      "select at from events where type = 'server.restored'",
    );
    expect(due[0]?.due).toBe((at?.at ?? 0) + 300_000);
    await again.archive.flush();
    await again.stop();
    running = undefined;
    await expectReplayEqual(join(restored.data, "gridpost.db"));
    const cwd = join(restored.data, "archive/journal.git");
    const lines = execFileSync("git", ["rev-list", "--count", "main"], { cwd });
    expect(Number(lines)).toBeGreaterThan(1);
    const { handovers } = await verifyClone(cwd, undefined);
    expect(handovers).toMatchObject([
      { repository: "journal", seq: expect.any(Number) as unknown },
    ]);
    expect(handovers[0]?.seq).toBeGreaterThan(last + 1_000_000);
  });

  it("gives out no place and no fence again when the clone lacks the end", async () => {
    await send("kept");
    await server.running.archive.flush();
    const folder = clone();
    const sent = await send("lost");
    const lost = await reserve("lost/**");
    const restored = await restoreServer(folder, join(work, "new"));
    const again = await startRestored(restored.data);
    const [fence] = await again.eventLog.query<{ fence: number }>("select fence from p_fences");
    expect(fence?.fence).toBeGreaterThan(lost.fence);
    const [red] = await again.eventLog.query<{ seq: number }>(
      "select next_seq as seq from p_agents where name = 'red'",
    );
    const place = sent.recipients[0]?.seq ?? 0;
    expect(red?.seq).toBeGreaterThan(place);

    // Who has read what the clone lacks goes on from there.
    const reader = await memberAt(again.url, anna, systemClock).asAgent("red");
    const page = await reader.mailbox.inbox({ params: project, query: { after: place } });
    expect(page).toEqual({ messages: [], next: (red?.seq ?? 0) - 1, more: false });
    const writer = await memberAt(again.url, anna, systemClock).asAgent("blue");
    const body = { to: ["red"], subject: "after the restore" };
    await writer.mailbox.send({ params: project, body });
    for (const after of [place, page.next])
      expect(await reader.mailbox.inbox({ params: project, query: { after } })).toMatchObject({
        messages: [{ subject: "after the restore", seq: red?.seq }],
      });
  });

  it("goes on in threads beyond every page that somebody has turned", async () => {
    const post = (client: Client, thread?: string): Promise<{ thread: string }> =>
      client.mailbox.send({ params: project, body: { to: ["red"], subject: "s", thread } });
    await post(blue, "longer");
    const threads = [(await post(blue)).thread, "longer", "gone"];
    await server.running.archive.flush();
    const folder = clone();
    for (const thread of [...threads, ...threads, "gone"]) await post(blue, thread);
    const at = (thread: string, query: object) => ({ params: { ...project, thread }, query });
    const turned = async (thread: string) =>
      (await blue.mailbox.thread(at(thread, { limit: 2 }))).next ?? "";
    const pages = await Promise.all(threads.map(async (one) => [one, await turned(one)] as const));
    const { url } = await startRestored((await restoreServer(folder, join(work, "new"))).data);
    const back = memberAt(url, anna, systemClock);
    const [writer, reader] = [await back.asAgent("blue"), await back.asAgent("red")];
    for (const [thread, after] of pages) {
      await post(writer, thread);
      expect((await reader.mailbox.thread(at(thread, { after }))).messages).toHaveLength(1);
    }
    expect((await reader.mailbox.thread(at("longer", {}))).summary?.messages).toBe(2);
  });

  it("gives a run that was claimed by hand five minutes, after which it is queued again", async () => {
    await blue.cells.submitSweep({ params: project, body: { sweep } });
    const claimed = await blue.cells.claimByHand({ params: project, body: { ttlMs: 3_600_000 } });
    await server.running.archive.flush();
    const restored = await restoreServer(clone(), join(work, "new"));
    const { query } = (await startRestored(restored.data)).eventLog;
    const ends = "select subject, due from e_deadlines where kind = 'claim.end'";
    const [event] = await query<{ at: number }>(
      "select at from events where type = 'server.restored'",
    );
    expect(await query(ends)).toEqual([
      { subject: claimed.session?.id, due: (event?.at ?? 0) + 300_000 },
    ]);
  });

  it("posts nothing twice when the server is started more than a day after its last post", async () => {
    const node = await server.join("node", "n1");
    await registerNode(node.client);
    const { thread } = await blue.cells.submitSweep({ params: project, body: { sweep } });
    await workAll(node.client);
    const posts = `select subject from p_messages where thread = '${thread}' order by n`;
    const { eventLog, archive } = server.running;
    await expect.poll(() => eventLog.query(posts)).toHaveLength(4);
    const said = await eventLog.query(posts);
    await archive.flush();
    const restored = await restoreServer(clone(), join(work, "new"));
    const late = { ...systemClock, now: () => systemClock.now() + 25 * 3_600_000 };
    const { query } = (await startRestored(restored.data, late)).eventLog;
    const end = "select max(seq) as seq from events where type = 'server.restored'";
    const [{ seq } = { seq: 0 }] = await query<{ seq: number }>(end);
    const place = "select 1 from e_cursors where name = 'sweep-posts' and seq >= $1";
    await expect.poll(() => query(place, [seq])).toHaveLength(1);
    expect(await query(posts)).toEqual(said);
  });

  it("tells those who follow a sweep that goes on what they were not told of", async () => {
    const { sweep: id } = await blue.cells.submitSweep({ params: project, body: { sweep } });
    await server.running.archive.flush();
    const restored = await restoreServer(clone(), join(work, "new"));
    const { query } = (await startRestored(restored.data)).eventLog;
    expect(await query("select subject from e_deadlines where kind = 'sweep.digest'")).toEqual([
      { subject: id },
    ]);
  });

  it("reminds of an acknowledgement that is due, unless it has done so before", async () => {
    const body = { to: ["red"], subject: "please", ackWithinMs: 60_000 };
    const { id: reminded } = await blue.mailbox.send({ params: project, body });
    await server.running.eventLog.tx([], ({ query }) => query("update e_deadlines set due = 0"));
    await server.fireDeadlines();
    const { id: waiting } = await blue.mailbox.send({ params: project, body });
    await server.running.archive.flush();
    const restored = await restoreServer(clone(), join(work, "new"));
    const { query } = (await startRestored(restored.data)).eventLog;
    expect(await query("select subject from e_deadlines where kind = 'mail.ack'")).toEqual([
      { subject: waiting },
    ]);
    expect(await query("select body from events where type = 'ack.overdue'")).toEqual([
      { body: JSON.stringify({ message: reminded, agents: ["red"] }) },
    ]);
  });

  it("names segment and line of a damaged journal and leaves the folder empty", async () => {
    await send("one");
    await server.running.archive.flush();
    const folder = clone();
    const files = execFileSync("git", ["ls-files"], { cwd: folder, encoding: "utf8" }).split("\n");
    const file =
      files.find((path) => readFileSync(join(folder, path), "utf8").includes('"body":"one"')) ?? "";
    const text = readFileSync(join(folder, file), "utf8");
    const line = text.slice(0, text.indexOf('"body":"one"')).split("\n").length;
    writeFileSync(join(folder, file), text.replace('"body":"one"', '"body":"two"'));
    const data = join(work, "new");
    await expect(restoreServer(folder, data)).rejects.toThrow(`${file} line ${line}`);
    expect(readdirSync(data)).toEqual([]);
    execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qam", "x"], {
      cwd: folder,
    });
    await expect(restoreServer(folder, data)).rejects.toThrow(`${file} line ${line}`);
    expect(readdirSync(data)).toEqual([]);
  });

  it("refuses a folder that is not empty, a readable repository, and what is no repository", async () => {
    await server.running.archive.flush();
    await expect(restoreServer(journal(), server.data)).rejects.toMatchObject({ code: "CONFLICT" });
    await blue.mailbox.send({
      params: project,
      body: { to: ["red"], subject: "s", body: "b", open: true },
    });
    await server.running.archive.flush();
    const readable = join(server.data, "archive/projects/default.git");
    await expect(restoreServer(readable, join(work, "a"))).rejects.toThrow(
      "belongs to project/default",
    );
    await expect(restoreServer(work, join(work, "b"))).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });
});
