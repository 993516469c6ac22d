import { once } from "node:events";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

interface Lease {
  id: string;
  fence: number;
  expiresAt: string;
  resources: { kind: string; repo?: string; pattern?: string }[];
}

let server: TestServer;
let anna: TestCli;
let bert: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  [anna, bert] = await Promise.all([joinedCli(server, "anna"), joinedCli(server, "bert")]);
  await Promise.all([anna.run("agent", "register", "blue"), bert.run("agent", "register", "red")]);
});

afterEach(async () => {
  await Promise.all([anna.run("release", "--all"), bert.run("release", "--all")]);
});

afterAll(async () => {
  await Promise.all([anna.remove(), bert.remove()]);
  await server.stop();
});

const repo = ["--repo", "kernels", "--json"];

describe("leases at the command line", () => {
  it("take the repository's name from its guard, else from the origin URL, else from its folder", async () => {
    const folder = join(anna.home, "attention");
    await mkdir(join(folder, "src"), { recursive: true });
    execFileSync("git", ["init", "-q"], { cwd: folder });
    const inside = { cwd: join(folder, "src") };
    const named = (await anna.runWith(inside, "reserve", "a", "--json")).json<Lease>();
    expect(named.resources).toEqual([{ kind: "file", repo: "attention", pattern: "a" }]);
    execFileSync("git", ["remote", "add", "origin", "git@host:team/flash.git"], { cwd: folder });
    const cloned = (await anna.runWith(inside, "reserve", "b", "--json")).json<Lease>();
    expect(cloned.resources[0]?.repo).toBe("flash");
    await anna.runWith(inside, "guard", "install", "--repo", "kernels");
    const told = (await anna.runWith(inside, "reserve", "d", "--json")).json<Lease>();
    expect(told.resources[0]?.repo).toBe("kernels");
    expect((await anna.run("reserve", "c", "--json")).json<Lease>().resources[0]?.repo).toBe(
      "default",
    );
  });

  it("can be asked for without taking them", async () => {
    const free = await anna.run("reserve", "src/**", ...repo, "--dry-run");
    expect([free.code, free.json()]).toEqual([0, { free: true, conflicts: [] }]);
    await anna.run("reserve", "src/a.ts", ...repo);
    const held = await bert.run("reserve", "src/**", ...repo, "--dry-run");
    expect(held.code).toBe(3);
    expect(held.json()).toMatchObject({
      code: "RESERVATION_CONFLICT",
      details: [{ pattern: "src/**", witness: "src/a.ts" }],
    });
    expect((await bert.run("leases", "--mine", "--json")).json()).toMatchObject({ leases: [] });
  });

  it("can be taken in part", async () => {
    await anna.run("reserve", "src/a.ts", ...repo);
    const part = await bert.run("reserve", "src", "docs", ...repo, "--partial");
    expect(part.code).toBe(0);
    expect(part.json()).toMatchObject({
      resources: [{ pattern: "docs" }],
      conflicts: [{ pattern: "src" }],
    });
  });

  it("are waited for in a queue, and waiting can run out", async () => {
    const held = (await anna.run("reserve", "lib", ...repo)).json<Lease>();
    const late = await bert.run("reserve", "lib", ...repo, "--wait", "300ms");
    expect(late.code).toBe(3);

    const waiting = bert.start("reserve", "lib", ...repo, "--wait", "1m");
    let stdout = "";
    waiting.stdout?.on("data", (chunk) => (stdout += String(chunk)));
    const told = waiting.stderr === null ? "" : String((await once(waiting.stderr, "data"))[0]);
    expect(told).toMatch(/acting as red|waiting for /);
    const closed = once(waiting, "close");
    await anna.run("release", held.id);
    const [code] = (await closed) as [number];
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as Lease).fence).toBeGreaterThan(held.fence);
  });

  it("are held while a command runs, whose exit code counts", async () => {
    const ran = await anna.run(
      "reserve",
      "src",
      "--repo",
      "kernels",
      "--",
      "sh",
      "-c",
      'echo "$GRIDPOST_LEASE $GRIDPOST_FENCE"; exit 5',
    );
    expect(ran.code).toBe(5);
    expect(ran.stdout).toMatch(/^[0-9a-f-]{36} \d+\n$/);
    expect((await anna.run("leases", "--json")).json()).toMatchObject({ leases: [] });

    await anna.run("reserve", "src", ...repo);
    const never = join(bert.home, "never");
    const refused = await bert.run("reserve", "src", "--repo", "kernels", "--", "touch", never);
    expect([refused.code, existsSync(never)]).toEqual([3, false]);
    const unknown = await bert.run("reserve", "x", "--repo", "kernels", "--", "no-such-command");
    expect(unknown.code).toBe(2);
    expect((await bert.run("leases", "--mine", "--json")).json()).toMatchObject({ leases: [] });
  });

  it("are held again by a command that is repeated with its key", async () => {
    const started = join(anna.home, "started");
    const reserve = ["reserve", "held", "--repo", "kernels", "--key", "k-held", "--"];
    const killed = anna.start(...reserve, "sh", "-c", `touch ${started}; sleep 1`);
    await expect.poll(() => existsSync(started)).toBe(true);
    killed.kill("SIGKILL");
    await once(killed, "exit");
    expect(await anna.run(...reserve, "sh", "-c", "exit 5")).toMatchObject({ code: 5 });
    // A key is its user's own.
    expect((await bert.run(...reserve, "true")).code).toBe(0);
    const late = await anna.run(...reserve, "true");
    expect([late.code, late.stderr]).toEqual([3, expect.stringContaining("is released")]);
  });

  it("are upgraded, handed over and remembered", async () => {
    const lease = (await anna.run("reserve", "docs", ...repo, "--shared")).json<Lease>();
    const exclusive = (await anna.run("lease", "upgrade", lease.id, "--json")).json<Lease>();
    expect(exclusive.fence).toBeGreaterThan(lease.fence);
    expect((await bert.run("lease", "transfer", lease.id, "red")).code).toBe(5);
    const handed = await anna.run("lease", "transfer", lease.id, "red", "--json");
    expect(handed.code).toBe(0);
    expect((await bert.run("lease", "force-release", lease.id, "--reason", "x")).code).toBe(5);
    expect((await bert.run("lease", "repo", "kernels", "--case", "ignore")).code).toBe(5);
    const history = (await anna.run("lease", "history", "docs", ...repo)).json<{
      leases: { id: string }[];
    }>();
    expect(history.leases[0]?.id).toBe(lease.id);
  });

  it("refuse what cannot be meant", async () => {
    for (const args of [
      ["reserve", "/etc"],
      ["reserve", "a", "--ttl", "10"],
      ["reserve", "a", "--wait", "1m", "--dry-run"],
      ["reserve", "a", "--partial", "--", "make"],
      ["lease", "repo", "kernels"],
      ["lease", "repo", "kernels", "--case", "maybe"],
      ["release"],
      ["renew", "not-an-id"],
    ])
      expect([args, (await anna.run(...args)).code]).toEqual([args, 2]);
  });
});
