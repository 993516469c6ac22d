import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTestServer, type TestServer } from "../support/server.ts";

const params = { project: "default" };

describe("the mail about a lease that was taken away", () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startTestServer();
  });
  afterEach(() => server.stop());

  it("tells the holder who did it and why, and nobody who has waited in a thread for it", async () => {
    const { admin } = server;
    const [blue, red] = [await admin.asAgent("blue"), await admin.asAgent("red")];
    const resources = [{ kind: "file" as const, repo: "app", pattern: "src/**" }];
    const lease = await blue.reservations.acquire({ params, body: { resources } });
    await red.mailbox.send({
      params,
      body: { to: ["red"], subject: "waiting", body: "", thread: `lease-${lease.id}`, open: true },
    });
    await admin.client.reservations.forceRelease({
      params: { ...params, lease: lease.id },
      body: { reason: "blue is on holiday" },
    });
    const inbox = { ...params, agent: "blue" };
    const { messages } = await blue.mailbox.inbox({ params: inbox, query: { wait: "10000" } });
    expect(messages).toMatchObject([
      { from: "gridpost", subject: "Your lease was taken away: src/**", importance: "high" },
    ]);
    const message = messages[0]?.id ?? "";
    const read = await blue.mailbox.message({ params: { ...params, message } });
    expect(read.body).toContain("user:admin released your lease");
    expect(read.body).toContain("blue is on holiday");
    await expect(red.mailbox.message({ params: { ...params, message } })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });
});
