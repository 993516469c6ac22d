import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../contract/client.ts";

import { DaemonOptions } from "../../daemon/options.ts";
import { connect as connectDaemon } from "../../daemon/server.ts";
import { tokenSource } from "../../runtime/access-token.ts";
import { openHome } from "../../runtime/home.ts";
import { joinServer } from "../../runtime/join.ts";
import { NoCredentialsError } from "../../runtime/no-credentials.ts";
import { TestClock } from "../support/clock.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

describe("a home with credentials", () => {
  let server: TestServer;
  let other: TestServer;
  let home: string;
  beforeAll(async () => {
    [server, other] = await Promise.all([startTestServer(), startTestServer()]);
  });
  afterAll(async () => {
    await Promise.all([server.stop(), other.stop()]);
  });
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "gridpost-home-"));
  });
  afterEach(() => rm(home, { recursive: true }));

  const newToken = async (name: string, at = server): Promise<string> => {
    const made = await at.admin.client.identity.createToken({ body: { kind: "user", name } });
    return made.token;
  };

  it("makes a key that only its owner can read, and joins with it", async () => {
    const joined = await joinServer({ url: server.url, token: await newToken("anna"), home });
    expect(joined).toEqual({ principal: "user:anna", url: server.url });
    expect((await stat(join(home, "key.json"))).mode & 0o777).toBe(0o600);
    const client = createClient({ url: server.url, token: tokenSource({ home, url: server.url }) });
    expect(await client.identity.whoami({ query: {} })).toMatchObject({ principal: "user:anna" });
  });

  it("keeps access tokens to itself, uses them again, and gets a new one when asked", async () => {
    await joinServer({ url: server.url, token: await newToken("berta"), home });
    const token = await tokenSource({ home, url: server.url })(false);
    expect(await tokenSource({ home, url: `${server.url}/` })(false)).toBe(token);
    expect(await tokenSource({ home, url: server.url })(true)).not.toBe(token);
    for (const file of await readdir(join(home, "tokens")))
      expect((await stat(join(home, "tokens", file))).mode & 0o777).toBe(0o600);
  });

  it("joins and gets tokens whatever the time is at the server", async () => {
    for (const hours of [8, -8]) {
      const skewed = await startTestServer({
        clock: new TestClock(Date.now() + hours * 3_600_000),
      });
      const { url } = skewed;
      const home = await mkdtemp(join(tmpdir(), "gridpost-home-"));
      await joinServer({ url, token: await newToken("gita", skewed), home });
      const token = await tokenSource({ home, url })(false);
      const who = await createClient({ url, token: async () => token }).identity.whoami({
        query: {},
      });
      expect(who.principal).toBe("user:gita");
      expect(await tokenSource({ home, url })(false)).toBe(token);
      const cached = await openHome(home).cachedToken({ url });
      const left = Date.parse(cached?.expiresAt ?? "") - Date.now();
      expect(left).toBeLessThanOrEqual(600_000);
      await rm(home, { recursive: true });
      await skewed.stop();
    }
  });

  it("gives tokens also where it cannot keep them", async () => {
    await joinServer({ url: server.url, token: await newToken("ina"), home });
    await writeFile(join(home, "tokens"), "in the way");
    expect(await tokenSource({ home, url: server.url })(false)).toMatch(/^ey/);
  });

  it("is one principal on each server, with one key", async () => {
    await joinServer({ url: server.url, token: await newToken("carl"), home });
    await joinServer({ url: other.url, token: await newToken("carla", other), home });
    const whoAt = async (url: string) =>
      createClient({ url, token: tokenSource({ home, url }) }).identity.whoami({ query: {} });
    expect((await whoAt(server.url)).principal).toBe("user:carl");
    expect((await whoAt(other.url)).principal).toBe("user:carla");
    await expect(
      joinServer({ url: server.url, token: await newToken("dora"), home }),
    ).rejects.toMatchObject({ code: "CONFLICT", message: /user:carl/ });
  });

  it("refuses a server that did not make the join token", async () => {
    const token = await newToken("emil", other);
    await expect(joinServer({ url: server.url, token, home })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
    expect(await readdir(home)).not.toContain("servers");
  });

  it("refuses plain HTTP beyond this machine, a token that is none, and an open key file", async () => {
    const token = await newToken("frida");
    await expect(joinServer({ url: "http://10.0.0.1:7411", token, home })).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: "http://10.0.0.1:7411 is plain HTTP beyond this machine",
    });
    await expect(joinServer({ url: server.url, token: "not a token", home })).rejects.toMatchObject(
      { code: "BAD_REQUEST", message: "this is not a join token" },
    );
    await joinServer({ url: server.url, token, home });
    await chmod(join(home, "key.json"), 0o644);
    await expect(tokenSource({ home, url: server.url })(true)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      next: `chmod 600 ${join(home, "key.json")}`,
    });
  });

  it("sends no token over plain HTTP beyond this machine, unless the join there allowed it", async (context) => {
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === "IPv4" && !one.internal);
    if (address === undefined) return context.skip("this machine has no address beyond loopback");
    const { port } = new URL(server.url);
    const beyond = `http://${address.address}:${port}`;
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      const up = connect(Number(port), "127.0.0.1");
      for (const one of [socket, up]) sockets.add(one.on("error", () => undefined));
      socket.pipe(up).pipe(socket);
    });
    await new Promise<void>((resolve) => proxy.listen(Number(port), address.address, resolve));
    try {
      await joinServer({ url: server.url, token: await newToken("hedy"), home });
      await tokenSource({ home, url: server.url })(false);
      const refused = {
        code: "BAD_REQUEST",
        message: `${beyond} is plain HTTP beyond this machine`,
      };
      await expect(tokenSource({ home, url: beyond })(false)).rejects.toMatchObject(refused);
      await tokenSource({ home, url: beyond, insecure: true })(false);
      // It is cached now, and a cached one is not sent either.
      await expect(tokenSource({ home, url: beyond })(false)).rejects.toMatchObject(refused);
      const options = DaemonOptions.parse({ url: beyond, name: "n", data: home });
      const log = pino({ level: "silent" });
      await expect(connectDaemon(options, log)).rejects.toMatchObject(refused);
      const token = await newToken("hedy");
      await joinServer({ url: beyond, token, home, insecure: true });
      expect(await tokenSource({ home, url: beyond })(false)).toMatch(/^ey/);
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });

  it("says so when it has never joined a server", async () => {
    await expect(tokenSource({ home, url: server.url })(false)).rejects.toBeInstanceOf(
      NoCredentialsError,
    );
  });

  it("survives a lost race for the key file: one key, whoever came first", async () => {
    const tokens = [await newToken("gina"), await newToken("gina")];
    await Promise.allSettled(tokens.map((token) => joinServer({ url: server.url, token, home })));
    const { x } = JSON.parse(await readFile(join(home, "key.json"), "utf8")) as { x: string };
    expect(x).toHaveLength(43);
    const client = createClient({ url: server.url, token: tokenSource({ home, url: server.url }) });
    expect(await client.identity.whoami({ query: {} })).toMatchObject({ principal: "user:gina" });
  });
});
