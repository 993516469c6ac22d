import { describe, expect, it } from "vitest";
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
