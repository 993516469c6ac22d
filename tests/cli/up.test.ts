import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openCli, type TestCli } from "../support/cli.ts";

let cli: TestCli;

beforeEach(async () => {
  cli = await openCli();
});

afterEach(() => cli.remove());

/** The live processes whose command line names this home. Zombies have none. */
function processesOf(home: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => commandLine(name).includes(home))
    .map(Number);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

interface Up {
  url: string;
  user: string;
  node: string;
  data: string;
}

/** Starts `gridpost up` on a free port; resolves with what it prints when both are ready. */
async function up(listen = "127.0.0.1:0"): Promise<{
  shown: Up;
  child: ReturnType<TestCli["start"]>;
  ended: Promise<number | null>;
}> {
  const child = cli.start("up", "--listen", listen, "--json");
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let errors = "";
  child.stderr?.on("data", (chunk) => (errors += String(chunk)));
  const shown = await new Promise<Up>((resolve, reject) => {
    child.stdout?.once("data", (chunk) => resolve(JSON.parse(String(chunk)) as Up));
    void ended.then((code) => reject(new Error(`up ended with ${code}: ${errors}`)));
  });
  return { shown, child, ended };
}

describe("gridpost up", () => {
  it("starts a server and a node, joins as the user, and stops both on Ctrl-C", async () => {
    const first = await up();
    expect(first.shown.data).toBe(`${cli.home}/data`);
    const me = await cli.run("whoami", "--json");
    expect(me.json()).toMatchObject({ principal: first.shown.user });
    const nodes = await cli.run("node", "ls", "--json");
    expect(nodes.json()).toMatchObject({ nodes: [{ name: first.shown.node, state: "ready" }] });
    expect(processesOf(cli.home).length).toBeGreaterThanOrEqual(2);

    first.child.kill("SIGINT");
    expect(await first.ended).toBe(0);
    expect(processesOf(cli.home)).toEqual([]);

    // A second start finds everything as it was left.
    const second = await up();
    expect(second.shown.user).toBe(first.shown.user);
    second.child.kill("SIGTERM");
    expect(await second.ended).toBe(0);
  });

  it("reaches a server that listens everywhere over loopback", async () => {
    const { shown, child, ended } = await up("0.0.0.0:0");
    expect(shown.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await cli.run("node", "ls")).stdout).toContain("ready");
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  it("says how to go on when its node was revoked", async () => {
    const { shown, child, ended } = await up();
    expect((await cli.run("node", "revoke", shown.node)).code).toBe(0);
    child.kill("SIGTERM");
    await ended;
    const refused = await cli.run("up", "--listen", "127.0.0.1:0");
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain(`next: move ${shown.data}/node away, then gridpost up`);
  });

  it("leaves no process behind when it is killed", async () => {
    const { child, ended } = await up();
    child.kill("SIGKILL");
    await ended;
    await expect.poll(() => processesOf(cli.home)).toEqual([]);
  });

  it("says what is in the way when the port is taken", async () => {
    const { shown, child, ended } = await up();
    const other = await openCli();
    const refused = await other.run("up", "--listen", new URL(shown.url).host);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^gridpost: cannot listen on 127\.0\.0\.1:\d+/);
    await other.remove();
    child.kill("SIGTERM");
    await ended;
  });
});
