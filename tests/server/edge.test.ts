import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerBrokenRequest } from "../../server/problems.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

const MIB = 1_048_576;

describe("a connection", () => {
  let server: TestServer;
  let anna: Member;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await server.join("user", "anna");
    await anna.asAgent("blue");
  });
  afterAll(() => server.stop());

  /** Everything that comes back for what is sent on one connection, whose last request closes it. */
  const exchange = async (...parts: readonly (string | Buffer)[]): Promise<string> => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    for (const part of parts) socket.write(part);
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return text(socket);
  };
  const head = async (line: string, ...headers: readonly string[]): Promise<string> => {
    const token = await anna.agentToken("blue");
    const all = ["Host: x", `Authorization: Bearer ${token}`, ...headers];
    return `${line} HTTP/1.1\r\n${all.join("\r\n")}\r\n\r\n`;
  };
  const statuses = (answers: string): string[] =>
    [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = ""]) => status);

  it("outlives a body over the limit, so that whoever still sends it gets the answer", async () => {
    const calls = [
      ["POST /v1/projects/default/messages", "application/json"],
      ["PUT /v1/projects/default/attachments", "application/octet-stream"],
    ] as const;
    for (const [line, type] of calls) {
      const size = 40 * MIB;
      const sized = await head(line, `Content-Type: ${type}`, `Content-Length: ${size}`);
      expect(statuses(await exchange(sized, Buffer.alloc(size)))).toEqual(["413", "200"]);
      const chunked = await head(line, `Content-Type: ${type}`, "Transfer-Encoding: chunked");
      const chunk = [`${size.toString(16)}\r\n`, Buffer.alloc(size), "\r\n0\r\n\r\n"];
      expect(statuses(await exchange(chunked, ...chunk))).toEqual(["413", "200"]);
    }
  });

  it("ends when a body goes on and on after its answer, also of a stranger", async () => {
    const { hostname, port } = new URL(server.url);
    const chunk = Buffer.concat([
      Buffer.from("100000\r\n"),
      Buffer.alloc(MIB),
      Buffer.from("\r\n"),
    ]);
    const stranger = "POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    const known = await head("POST /v1/projects/default/messages", "Transfer-Encoding: chunked");
    for (const start of [`${stranger}Transfer-Encoding: chunked\r\n\r\n`, known]) {
      const socket = connect(Number(port), hostname);
      const answer = once(socket, "data");
      socket.write(start);
      const body = Readable.from(Array.from({ length: 200 }, () => chunk));
      await expect(pipeline(body, socket)).rejects.toThrow();
      expect(String(await answer)).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
  });

  it("is served as it is when it offers to become something else than a WebSocket", async () => {
    const offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"];
    const json = ["Content-Type: application/json", "Content-Length: 2"];
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const answerTo = async (...parts: readonly string[]): Promise<string> => {
      for (const part of parts) socket.write(part);
      const [answer] = (await once(socket, "data")) as [Buffer];
      return answer.toString();
    };
    expect(await answerTo(await head("GET /v1/whoami", ...offer))).toMatch(/ 200 .*blue/s);
    const nonce = await answerTo(await head("POST /v1/auth/nonce", ...offer, ...json), "{}");
    expect(nonce).toMatch(/ 200 .*"nonce"/s);
    expect(await answerTo(await head("GET /v1/nothing", ...offer))).toMatch(/ 404 .*NOT_FOUND/s);
    expect(await answerTo(await head("GET /healthz"))).toMatch(/ 200 .*ok/s);
    socket.destroy();
  });

  it("that brings a request too slowly is told so, and not that it speaks no HTTP", async () => {
    const late = Object.assign(new Error("late"), { code: "ERR_HTTP_REQUEST_TIMEOUT" });
    const slow = createServer((socket) => answerBrokenRequest(late, socket));
    slow.listen(0, "127.0.0.1");
    await once(slow, "listening");
    const { port } = slow.address() as AddressInfo;
    const answer = await text(connect(port, "127.0.0.1"));
    slow.close();
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*"UNAVAILABLE".*too long to arrive/s);
  });
});
