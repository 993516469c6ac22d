import fc from "fast-check";
import { z } from "zod";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Endpoint } from "../../contract/endpoint.ts";
import { Problem } from "../../contract/problem.ts";
import { fromSchema, type Words } from "../support/from-schema.ts";
import { registerNode } from "../support/node.ts";
import { type Route, routes } from "../support/routes.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

/** What would end those who ask. */
const LEFT_OUT = new Set([
  "identity.revokePrincipal",
  "access.revokeRole",
  "access.rotateKey",
  "mailbox.retireAgent",
  "access.revokeProjectRole",
]);
const asked = routes.filter(({ name }) => !LEFT_OUT.has(name));

interface AnyRequest {
  readonly name: string;
  readonly method: Endpoint["method"];
  readonly address: string;
  readonly caller: number;
  readonly body: unknown;
  readonly key: string | undefined;
}

describe("any request that is made of the contract", () => {
  let server: TestServer;
  let callers: readonly string[];
  let words: Words;

  beforeAll(async () => {
    server = await startTestServer({ set: ["limits.requests=1000000"] });
    const { admin } = server;
    const node = await server.join("node", "gpu-1");
    await registerNode(node.client);
    const blue = await admin.asAgent("blue");
    await admin.asAgent("green");
    const params = { project: "default" };
    const message = await blue.mailbox.send({
      params,
      body: { to: ["green"], subject: "s", body: "b", thread: "talk" },
    });
    const lease = await blue.reservations.acquire({
      params,
      body: { resources: [{ kind: "file", repo: "app", pattern: "src/**" }] },
    });
    const sweep = await blue.cells.submitSweep({
      params,
      body: {
        sweep: {
          name: "s",
          cell: { command: ["true"], runtime: "process" },
          metrics: { primary: "performance" },
        },
      },
    });
    const {
      runs: [run],
    } = await blue.cells.runs({ params: { ...params, sweep: sweep.sweep } });
    callers = [
      await admin.token(),
      await admin.agentToken("blue"),
      await admin.agentToken("green"),
      await node.token(),
    ];
    words = {
      project: "default",
      name: "blue",
      peer: "green",
      agent: "green",
      node: "gpu-1",
      to: "green",
      thread: "talk",
      pattern: "src/a.ts",
      repo: "app",
      timeout: "1h",
      message: message.id,
      lease: lease.id,
      sweep: sweep.sweep,
      run: run?.id ?? "",
      principal: "user:somebody",
    };
  });
  afterAll(() => server.stop());

  const ask = async ({ method, address, caller, body, key }: AnyRequest): Promise<Response> =>
    fetch(`${server.url}${address}`, {
      method,
      headers: {
        authorization: `Bearer ${callers[caller]}`,
        ...(method === "GET" ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      ...(method === "GET" ? {} : { body: JSON.stringify(body) }),
    });

  it("is answered or told in a problem what is wrong with it, and leaves what a replay makes again", async () => {
    const requests = fc.oneof(...asked.map((route) => requestTo(route, words)));
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const response = await ask(request);
        expect(response.status).toBeLessThan(500);
        const text = await response.text();
        if (response.status >= 400)
          expect(Problem.safeParse(JSON.parse(text)).error).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });
});

function requestTo({ name, endpoint }: Route, words: Words): fc.Arbitrary<AnyRequest> {
  const { method, params = z.object({}), query = z.object({}), body = z.object({}) } = endpoint;
  const address = fc
    .tuple(fromSchema(params, words), fromSchema(query, words))
    .map(([inPath, asked]) => `${pathOf(endpoint, inPath)}?${queryOf(asked)}`);
  return fc.record({
    name: fc.constant(name),
    method: fc.constant(method),
    address,
    caller: fc.nat({ max: 3 }),
    body: fromSchema(body, words),
    key: fc.option(fc.constantFrom("k1", "k2", "k 3"), { nil: undefined }),
  });
}

const members = (value: unknown): [string, unknown][] => Object.entries(Object(value) as object);

function pathOf({ path }: Endpoint, params: unknown): string {
  const parts = Object.fromEntries(members(params));
  return path.replaceAll(/:(\w+)/g, (_, key: string) => encoded(parts[key]));
}

/** All but `wait`: nobody waits for what does not come. */
const queryOf = (query: unknown): string =>
  members(query)
    .filter(([key]) => key !== "wait")
    .map(([key, value]) => `${encoded(key)}=${encoded(value)}`)
    .join("&");

/** A value as part of an address: half of a surrogate pair becomes what a program would make of it in UTF-8. */
const encoded = (value: unknown): string =>
  encodeURIComponent(
    Buffer.from(typeof value === "string" ? value : (JSON.stringify(value) ?? ""))
      .toString()
      .slice(0, 2_000),
  );
