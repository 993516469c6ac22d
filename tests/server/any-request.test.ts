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
  readonly route: Route;
  readonly caller: number;
  readonly params: unknown;
  readonly query: unknown;
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

  const ask = async ({ route, caller, body, key, ...place }: AnyRequest): Promise<Response> =>
    fetch(`${server.url}${addressOf(route.endpoint, place)}`, {
      method: route.endpoint.method,
      headers: {
        authorization: `Bearer ${callers[caller]}`,
        ...(route.endpoint.method === "GET" ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      ...(route.endpoint.method === "GET" ? {} : { body: JSON.stringify(body) }),
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

function requestTo(route: Route, words: Words): fc.Arbitrary<AnyRequest> {
  const { params = z.object({}), query = z.object({}), body = z.object({}) } = route.endpoint;
  return fc.record({
    route: fc.constant(route),
    caller: fc.nat({ max: 3 }),
    params: fromSchema(params, words),
    query: fromSchema(query, words),
    body: fromSchema(body, words),
    key: fc.option(fc.constantFrom("k1", "k2", "k 3"), { nil: undefined }),
  });
}

function addressOf(
  { path }: Endpoint,
  { params, query }: Pick<AnyRequest, "params" | "query">,
): string {
  const parts = Object(params) as Record<string, unknown>;
  const place = path.replaceAll(/:(\w+)/g, (_, key: string) => encoded(parts[key]));
  // Nobody waits for what does not come.
  const named = Object.entries(Object(query) as object).filter(([key]) => key !== "wait");
  return `${place}?${named.map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join("&")}`;
}

/** A value as part of an address: half of a surrogate pair becomes what a program would make of it in UTF-8. */
const encoded = (value: unknown): string =>
  encodeURIComponent(
    Buffer.from(typeof value === "string" ? value : (JSON.stringify(value) ?? ""))
      .toString()
      .slice(0, 2_000),
  );
