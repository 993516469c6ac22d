import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readEdge } from "../../server/edge.ts";
import { Settings } from "../../server/settings.ts";

const withProxies = (trustProxy: unknown) => Settings.safeParse({ data: "data", trustProxy });

describe("the trusted proxies", () => {
  it("are addresses and networks, in a list or with commas", () => {
    for (const good of [["127.0.0.1", "::1", "10.0.0.0/8", "fd00::/8", "loopback"], "10.0.0.1,::1"])
      expect(withProxies(good).success).toBe(true);
  });

  it("are refused with the place of what is neither", () => {
    for (const [bad, path] of [
      [["banana"], 0],
      [["127.0.0.1", "10.0.0.0/99"], 1],
    ])
      expect(withProxies(bad).error?.issues).toMatchObject([
        { path: ["trustProxy", path], message: expect.stringContaining("10.0.0.0/8") as unknown },
      ]);
  });
});

describe("the time after which an idle sweep is cancelled", () => {
  const idle = (idleTimeout: string) =>
    Settings.safeParse({ data: "data", sweeps: { idleTimeout } }).error?.issues[0]?.message;

  it("is neither nothing nor longer than a year", () => {
    expect(idle("365d")).toBeUndefined();
    expect(idle("0s")).toBe("must be more than 0s");
    expect(idle(`${"9".repeat(400)}d`)).toBe("must be at most 365d");
  });
});

describe("the shortest lease that is granted", () => {
  const minTtl = (text: string) =>
    Settings.safeParse({ data: "data", leases: { minTtl: text } }).error?.issues[0]?.message;

  it("is not longer than the longest", () => {
    expect(minTtl("7d")).toBeUndefined();
    expect(minTtl("8d")).toBe("must be at most 7d");
  });
});

describe("a limit", () => {
  const limit = (requests: unknown) =>
    Settings.safeParse({ data: "data", limits: { requests } }).error?.issues[0]?.message;

  it("is a whole number, and nothing that could be taken for one", () => {
    for (const good of [1, "600", undefined]) expect(limit(good)).toBeUndefined();
    for (const bad of [true, null, [5], "", "1e3", "abc", 0, 1.5, 1e22])
      expect(limit(bad)).toBe("is not a whole number from 1 on");
  });
});

describe("the certificate", () => {
  it("is refused by the names of its settings when it is none, or has another key", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-tls-"));
    const file = join(folder, "none.pem");
    await writeFile(file, "nothing");
    const settings = Settings.parse({ data: folder, tls: { cert: file, key: file } });
    await expect(readEdge(settings)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringMatching(/^tls\.cert and tls\.key are no certificate and its key: /),
    });
    await rm(folder, { recursive: true });
  });
});
