import { connect } from "node:net";
import { text } from "node:stream/consumers";
import Fastify from "fastify";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Client } from "../../contract/client.ts";
import type { Downstream } from "../../contract/stream.ts";
import type { Authenticated } from "../../server/identity/authenticate.ts";
import { mountStream } from "../../server/stream.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";
import { openStream } from "../support/stream.ts";

const params = { project: "default" };

const seqs = (frames: readonly Downstream[]): number[] =>
  frames.flatMap((frame) => (frame.type === "message" ? [frame.entry.seq] : []));

describe("the stream", () => {
  let server: TestServer;
  let anna: Member;
  let blue: Client;
  let green: Client;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await server.join("user", "anna");
    blue = await anna.asAgent("blue");
    green = await anna.asAgent("green");
  });
  afterEach(() => void vi.useRealTimers());
  afterAll(() => server.stop());

  const send = (subject: string, to = "green"): Promise<unknown> =>
    blue.mailbox.send({ params, body: { to: [to], subject } });

  it("refuses an upgrade without a token", async () => {
    await expect(openStream(server.url)).rejects.toThrow("401");
    await expect(openStream(server.url, "nonsense")).rejects.toThrow("401");
  });

  it("leaves no socket open that it refuses to upgrade", async () => {
    const { hostname, port } = new URL(server.url);
    const answerTo = async (line: string): Promise<string> => {
      const socket = connect(Number(port), hostname);
      const headers = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
      const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
      socket.write(`${line} HTTP/1.1\r\n${headers}${key}\r\n`);
      // Ends only if the server closes the connection.
      return text(socket);
    };
    const long = `/v1/stream?x=${"y".repeat(9_000)}`;
    expect(await answerTo(`GET ${long}`)).toMatch(/^HTTP\/1.1 414 .*URI_TOO_LONG/s);
    expect(await answerTo("GET /%zz")).toMatch(/^HTTP\/1.1 400 .*not a valid URL/s);
    expect(await answerTo("GET /v1/stream")).toMatch(/^HTTP\/1.1 401 /);
    for (const other of ["GET /healthz", "GET /v1/whoami", "POST /v1/auth/nonce"])
      expect(await answerTo(other)).toMatch(/^HTTP\/1.1 400 .*only \/v1\/stream can be upgraded/s);
  });

  it("sends what is in the inbox, then what arrives, and resumes with nothing lost or doubled", async () => {
    await send("one");
    await send("two");
    const token = await anna.agentToken("green");
    const first = await openStream(server.url, token);
    await first.until((frame) => frame.type === "hello");
    first.send({ type: "subscribe.inbox", project: "default", after: 0 });
    await first.until((frame) => frame.type === "caught-up" && frame.seq === 2);
    await send("three");
    await first.until((frame) => frame.type === "message" && frame.entry.subject === "three");
    first.close();
    await first.closed;
    await Promise.all(["four", "five", "six"].map((subject) => send(subject)));
    const second = await openStream(server.url, token);
    second.send({ type: "subscribe.inbox", project: "default", after: 3 });
    await Promise.all(["seven", "eight"].map((subject) => send(subject)));
    await second.until((frame) => frame.type === "caught-up" && frame.seq === 8);
    expect(seqs(first.frames)).toEqual([1, 2, 3]);
    expect(seqs(second.frames)).toEqual([4, 5, 6, 7, 8]);
    second.close();
  });

  it("gives a frame to its recipient at once, not when somebody looks by the clock", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const still = await startTestServer();
    const user = await still.join("user", "anna");
    const own = await user.asAgent("green");
    const stream = await openStream(still.url, await user.agentToken("green"));
    stream.send({ type: "subscribe.inbox", project: "default", after: 0 });
    await stream.until((frame) => frame.type === "caught-up");
    await own.mailbox.send({ params, body: { to: ["green"], subject: "fast" } });
    await stream.until((frame) => frame.type === "message" && frame.entry.subject === "fast");
    stream.close();
    vi.useRealTimers();
    await still.stop();
  });

  it("wakes a long poll of the inbox", async () => {
    const { next } = await green.mailbox.inbox({ params });
    const waiting = green.mailbox.inbox({ params, query: { after: next, wait: 60_000 } });
    await send("wake up");
    const { messages } = await waiting;
    expect(messages.map(({ subject }) => subject)).toEqual(["wake up"]);
  });

  it("gives no inbox to users, to nodes, or of another project", async () => {
    const user = await openStream(server.url, await anna.token());
    user.send({ type: "subscribe.inbox", project: "default", after: 0 });
    expect(await user.until((frame) => frame.type === "problem")).toMatchObject({
      code: "FORBIDDEN",
    });
    const agent = await openStream(server.url, await anna.agentToken("green"));
    agent.send({ type: "subscribe.inbox", project: "other", after: 0 });
    expect(await agent.until((frame) => frame.type === "problem")).toMatchObject({
      code: "FORBIDDEN",
    });
    user.close();
    agent.close();
  });

  it("hints nodes, and nobody else, that there may be work", async () => {
    const node = await server.join("node", "n1");
    const stream = await openStream(server.url, await node.token());
    stream.send({ type: "subscribe.work" });
    await stream.until((frame) => frame.type === "work");
    stream.close();
    const agent = await openStream(server.url, await anna.agentToken("green"));
    agent.send({ type: "subscribe.work" });
    expect(await agent.until((frame) => frame.type === "problem")).toMatchObject({
      code: "FORBIDDEN",
    });
    agent.close();
  });

  it("closes the socket of a client that floods it, and the one too many of a principal", async () => {
    const token = await anna.agentToken("green");
    const flood = await openStream(server.url, token);
    for (let i = 0; i < 100; i += 1) flood.send({ type: "pong" });
    expect(await flood.closed).toBe(4429);
    expect(flood.frames.at(-1)).toMatchObject({ type: "problem", code: "RATE_LIMITED" });
    const many = await Promise.all(Array.from({ length: 64 }, () => openStream(server.url, token)));
    const last = await openStream(server.url, token);
    expect(await last.closed).toBe(4429);
    expect(last.frames).toMatchObject([
      { type: "problem", message: expect.stringContaining("has 64 streams open") },
    ]);
    many[0]?.close();
    await many[0]?.closed;
    const next = await openStream(server.url, token);
    await next.until((frame) => frame.type === "hello");
    for (const stream of [...many, next]) stream.close();
  });

  it("closes sockets of a revoked principal at once", async () => {
    const ben = await server.join("user", "ben");
    await ben.asAgent("red");
    const stream = await openStream(server.url, await ben.agentToken("red"));
    await server.admin.client.identity.revokePrincipal({
      params: { principal: "user:ben" },
      body: {},
    });
    expect(await stream.closed).toBe(4401);
    expect(stream.frames.at(-1)).toMatchObject({ type: "problem", code: "UNAUTHENTICATED" });
  });

  it("closes sockets whose token was signed by a revoked key, and no others", async () => {
    const old = await openStream(server.url, await anna.agentToken("green"));
    const { rotateKey } = server.admin.client.access;
    await rotateKey({ body: { delayMs: 0 } });
    const fresh = await openStream(server.url, await anna.token(true));
    old.send({ type: "subscribe.inbox", project: "default", after: 0 });
    await old.until((frame) => frame.type === "caught-up");
    await rotateKey({ body: { revokeOld: true } });
    expect(await Promise.all([old.closed, fresh.closed])).toEqual([4401, 4401]);
    const last = await openStream(server.url, await anna.token(true));
    await server.admin.client.identity.createProject({ body: { name: "after" } });
    last.send({ type: "subscribe.inbox", project: "default", after: 0 });
    const answer = await last.until((frame) => frame.type === "problem");
    expect(answer).toMatchObject({ code: "FORBIDDEN" });
    last.close();
  });

  it("closes a socket whose token was revoked between the upgrade's check and its opening", async () => {
    const { query } = server.running.eventLog;
    const caller: Authenticated = {
      principal: {
        id: "user:late",
        kind: "user",
        name: "late",
        project: null,
        act: null,
        actor: "user:late",
        scopes: new Set(),
      },
      claims: {
        sub: "user:late",
        kind: "user",
        act: null,
        gen: 1,
        agen: 0,
        exp: Date.now() + 60_000,
        kid: null,
      },
    };
    const auth = {
      authenticate: () => caller,
      isFresh: () => true,
      projectExists: () => true,
      stillValid: () => Promise.resolve(false),
    };
    const app = Fastify();
    app.decorateRequest("caller", null);
    await mountStream(app, {
      gate: { auth, stopping: new AbortController().signal },
      hub: {
        subscribe: () => () => undefined,
        wait: () => Promise.resolve(),
        stop: () => Promise.resolve(),
      },
      query,
      now: Date.now,
      version: "0.0.0",
    });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const stream = await openStream(url, "any");
    expect(await stream.closed).toBe(4401);
    await app.close();
  });

  it("closes sockets of an agent whose user has lost a role", async () => {
    const cleo = await server.join("user", "cleo");
    await cleo.asAgent("gray");
    const stream = await openStream(server.url, await cleo.agentToken("gray"));
    const body = { principal: "user:cleo", role: "viewer" as const };
    await server.admin.client.access.grantProjectRole({ params, body });
    stream.send({ type: "subscribe.inbox", project: "default", after: 0 });
    await stream.until((frame) => frame.type === "caught-up");
    await server.admin.client.access.revokeProjectRole({
      params,
      body: { ...body, role: "member" },
    });
    expect(await stream.closed).toBe(4401);
  });
});
