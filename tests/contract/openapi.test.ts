import { pino } from "pino";
import { beforeAll, describe, expect, it } from "vitest";
import type { DomainContract } from "../../contract/endpoint.ts";
import { contract } from "../../contract/index.ts";
import { buildApp } from "../../server/app.ts";
import type { Authenticator } from "../../server/identity/authenticate.ts";
import { createMetrics } from "../../server/metrics.ts";
import type { Domain } from "../../server/mount.ts";
import { routes } from "../support/routes.ts";

/** The contract mounted without anything behind it. */
const hollow = (name: string, endpoints: DomainContract): Domain => ({
  name,
  endpoints,
  handlers: Object.fromEntries(
    Object.keys(endpoints).map((key) => [key, () => Promise.reject(new Error("hollow"))]),
  ),
});

interface Operation {
  readonly security: readonly unknown[];
}

describe("the OpenAPI document", () => {
  let document: { openapi: string; paths: Record<string, Record<string, Operation>> };
  beforeAll(async () => {
    const never: Authenticator = {
      authenticate: () => Promise.reject(new Error("hollow")),
      isFresh: () => true,
      projectExists: () => true,
      stillValid: () => Promise.resolve(false),
    };
    const app = await buildApp({
      domains: Object.entries(contract).map(([name, endpoints]) => hollow(name, endpoints)),
      gate: { auth: never, stopping: new AbortController().signal },
      metrics: createMetrics(() => Promise.resolve([])),
      log: pino({ level: "silent" }),
      version: "0.0.0",
      edge: { tls: null, trustProxy: [], limits: { requests: 1, strangers: 1, bytes: 1 } },
      onRefused: () => undefined,
    });
    await app.ready();
    document = JSON.parse(JSON.stringify(app.swagger())) as typeof document;
  });

  it("is the one that is committed, so that a change of the wire shows in review", async () => {
    expect(document.openapi).toBe("3.1.0");
    const text = `${JSON.stringify(document, null, 1)}\n`;
    await expect(text).toMatchFileSnapshot("__snapshots__/openapi.json");
  });

  it("has every endpoint of the contract, and marks those that need no token", () => {
    for (const { name, endpoint } of routes) {
      const path = endpoint.path.replaceAll(/:(\w+)/g, "{$1}");
      const operation = document.paths[path]?.[endpoint.method.toLowerCase()];
      expect([name, operation?.security.length]).toEqual([
        name,
        endpoint.scope === "public" ? 0 : 1,
      ]);
    }
  });
});
