import { createHash } from "node:crypto";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const project = { project: "default" };
const note = { subject: "build", body: "the tensor shape" };

describe("mail over HTTP", () => {
  let server: TestServer;
  let red: Client["mailbox"];
  let blue: Client["mailbox"];
  let gray: Client["mailbox"];
  beforeAll(async () => {
    server = await startTestServer();
    const client = async (name: string) => (await server.admin.asAgent(name)).mailbox;
    [red, blue, gray] = [await client("red"), await client("blue"), await client("gray")];
  });
  afterAll(() => server.stop());

  it("carries a file from the sender to those who see the message", async () => {
    const content = Buffer.from("a,b\n1,2\n".repeat(100_000));
    const { sha256, type } = await red.putAttachment({ params: project, content });
    expect([sha256, type]).toEqual([
      createHash("sha256").update(content).digest("hex"),
      "text/plain",
    ]);
    const attachments = [{ sha256, name: "run.csv" }];
    await red.send({ params: project, body: { to: ["blue"], ...note, attachments } });
    const file = await blue.attachment({ params: { ...project, sha256 } });
    expect(Buffer.compare(file.content, content)).toBe(0);
    await expect(gray.attachment({ params: { ...project, sha256 } })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("says that a file is too large, and keeps nothing of an interrupted upload", async () => {
    const content = Buffer.alloc(10 * 1_048_576 + 1);
    await expect(red.putAttachment({ params: project, content })).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    const token = await server.admin.agentToken("red");
    await new Promise<void>((resolve) => {
      const upload = request(`${server.url}/v1/projects/default/attachments`, {
        method: "PUT",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/octet-stream",
          "content-length": 1_000,
        },
      });
      upload.on("error", () => resolve());
      upload.write("half of it", () => upload.destroy(new Error("cut off")));
    });
    const half = createHash("sha256").update("half of it").digest("hex");
    await expect(red.attachment({ params: { ...project, sha256: half } })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it.each([{ "content-type": "application/json" }, { "content-type": "image/png" }, {}])(
    "refuses an upload that is not sent as a file: %o",
    async (type) => {
      const authorization = `Bearer ${await server.admin.agentToken("red")}`;
      const response = await fetch(`${server.url}/v1/projects/default/attachments`, {
        method: "PUT",
        headers: { authorization, ...type },
        body: Buffer.from("{}"),
      });
      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({
        next: expect.stringContaining("application/octet-stream") as unknown,
      });
    },
  );

  it("finds a message as soon as it is sent", async () => {
    const body = { to: ["blue"], subject: "found", body: "an eigenvalue" };
    const { id } = await red.send({ params: project, body });
    const found = await blue.search({ params: project, query: { q: "eigen*" } });
    expect(found.results).toMatchObject([
      { id, snippet: expect.stringContaining("**eigenvalue**") },
    ]);
    expect((await gray.search({ params: project, query: { q: "eigen*" } })).results).toEqual([]);
  });

  it("delivers to @all at once and wakes who waits", async () => {
    const { next } = await gray.inbox({ params: project });
    const waiting = gray.inbox({ params: project, query: { after: next, wait: 60_000 } });
    const { count } = await red.send({ params: project, body: { to: ["@all"], ...note } });
    expect(count).toBe(2);
    expect((await waiting).messages).toMatchObject([{ from: "red", subject: "build" }]);
  });
});
