import { afterEach, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { Problem } from "../../contract/problem.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const params = { project: "default" };

describe("the quotas of a principal", () => {
  let server: TestServer;
  afterEach(() => server.stop());

  const start = async (...set: string[]): Promise<{ blue: Client; red: Client }> => {
    server = await startTestServer({ set });
    const anna = await server.join("user", "anna");
    return { blue: await anna.asAgent("blue"), red: await anna.asAgent("red") };
  };
  const reserve = (client: Client, pattern: string): Promise<{ id: string }> =>
    client.reservations.acquire({
      params,
      body: { resources: [{ kind: "file", repo: "app", pattern }], ttlMs: 600_000 },
    });
  /** Room that was made shows at the next count, which does not follow the last at once. */
  const room = (take: () => Promise<unknown>): Promise<void> =>
    expect.poll(take, { timeout: 10_000 }).toBeDefined();
  const refused = { code: "RATE_LIMITED", retryAfterMs: expect.any(Number) as unknown };

  it("bound the bytes of its requests in a minute, whether they say their length or not", async () => {
    await start("limits.bytes=65537B");
    const carl = await server.join("user", "carl");
    const post = async (body: RequestInit): Promise<Response> =>
      fetch(`${server.url}/v1/projects/default/attachments`, {
        method: "PUT",
        headers: {
          authorization: `Bearer ${await carl.token()}`,
          "content-type": "application/octet-stream",
        },
        ...body,
      });
    const half = new Uint8Array(32 * 1_024);
    const stream = (): RequestInit => ({
      body: new ReadableStream({
        start: (controller) => {
          controller.enqueue(half);
          controller.close();
        },
      }),
      duplex: "half",
    });
    expect((await post({ body: half })).status).toBe(200);
    expect((await post(stream())).status).toBe(200);
    for (const body of [{ body: half }, stream()]) {
      const over = await post(body);
      expect(over.status).toBe(429);
      expect(Number(over.headers.get("retry-after"))).toBeGreaterThan(0);
      // Whole milliseconds, as the contract has it.
      expect(Problem.parse(await over.json()).retryAfterMs).toBeGreaterThan(0);
    }
    // What sends nothing goes on, and so do the others.
    await carl.client.identity.whoami({ query: {} });
    await server.admin.asAgent("green");
  });

  it("bound its open leases and the requests that wait for one, until some end", async () => {
    const { blue, red } = await start("limits.leases=3");
    const first = await reserve(blue, "a");
    await reserve(blue, "b");
    const held = await reserve(red, "c");
    const resources = [{ kind: "file" as const, repo: "app", pattern: "c" }];
    await blue.reservations.enqueue({
      params,
      body: { resources, ttlMs: 600_000, waitMs: 600_000 },
    });
    await expect(reserve(blue, "d")).rejects.toMatchObject(refused);
    await expect(
      blue.reservations.enqueue({ params, body: { resources, ttlMs: 600_000, waitMs: 600_000 } }),
    ).rejects.toMatchObject(refused);
    const extra = await reserve(red, "e");
    await blue.reservations.release({ params: { ...params, lease: first.id } });
    await room(() => reserve(blue, "d"));
    await red.reservations.release({ params: { ...params, lease: held.id } });
    await expect(reserve(blue, "f")).rejects.toMatchObject(refused);
    const hand = (): Promise<unknown> =>
      red.reservations.transfer({ params: { ...params, lease: extra.id }, body: { to: "blue" } });
    await expect(hand()).rejects.toMatchObject({
      ...refused,
      details: [{ holder: "agent:default/blue", limit: 3 }],
    });
    await red.reservations.renew({ params: { ...params, lease: extra.id }, body: {} });
  });

  it("bound the unread mail of an inbox, until its owner reads; @all leaves a full one out", async () => {
    const { blue, red } = await start("limits.unread=2");
    const send = (to: string[]) =>
      blue.mailbox.send({ params, body: { to, subject: "s", body: "b" } });
    const { id } = await send(["red"]);
    await send(["red"]);
    await expect(send(["red"])).rejects.toMatchObject({
      ...refused,
      details: [{ agent: "red", limit: 2 }],
    });
    await expect(
      blue.mailbox.reply({ params: { ...params, message: id }, body: { body: "b", cc: ["red"] } }),
    ).rejects.toMatchObject(refused);
    const everybody = await send(["@all"]);
    const receipts = () => blue.mailbox.receipts({ params: { ...params, message: everybody.id } });
    await expect
      .poll(async () => (await receipts()).skipped)
      .toEqual([{ agent: "red", reason: "full" }]);
    await red.mailbox.markRead({ params: { ...params, message: id } });
    await room(() => send(["red"]));
    await expect(send(["red"])).rejects.toMatchObject(refused);
  });
});
