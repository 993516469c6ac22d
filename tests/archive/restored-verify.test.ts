import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readSettings, type RunningServer, startServer } from "../../server/main.ts";
import { projections } from "../../server/projections.ts";
import { restoreServer } from "../../server/restore.ts";
import { verifyArchive } from "../../server/verify-archive.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let work: string;
let running: RunningServer | undefined;

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), "gridpost-restored-"));
  server = await startTestServer();
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await server.stop();
  rmSync(work, { recursive: true });
});

it("verifies a restored archive whose readable files are written anew, before the journal names the new key", async () => {
  const anna = await server.join("user", "anna");
  const blue = await anna.asAgent("blue");
  const text = { subject: "hello", body: "one", thread: "plans" };
  await blue.mailbox.send({
    params: { project: "default" },
    body: { to: ["blue"], ...text, open: true },
  });
  await server.running.archive.flush();
  const { data, lastSeq } = await restoreServer(
    join(server.data, "archive/journal.git"),
    join(work, "new"),
  );
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", join(data, "archive/journal.git"), ...args], {
      encoding: "utf8",
    }).trim();
  const end = git("rev-parse", "main");
  const settings = readSettings({ data, listen: "127.0.0.1:0", set: [] });
  running = await startServer({ settings, log: pino({ level: "silent" }) });
  await running.archive.flush();
  git("update-ref", "refs/heads/main", end);
  await running.eventLog.db.tx([], (query) =>
    query("update e_archive_state set seq = $1", [lastSeq]),
  );
  const scratch = join(work, "scratch");
  const found = await verifyArchive({ data, scratch, projections }, { deep: false });
  expect(found).toMatchObject({ ok: true, fault: null, handovers: [] });
  const repositories = found.repositories.map(({ repository }) => repository);
  expect(repositories).toEqual(["journal", "project/default"]);
});
