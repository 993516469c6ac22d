import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Duration } from "../../contract/duration.ts";
import { loadConfig } from "../../runtime/config.ts";

const schema = z.strictObject({
  name: z.string().default("none"),
  leases: z
    .strictObject({ minTtl: Duration.prefault("60s"), most: z.coerce.number().default(1) })
    .prefault({}),
});

describe("settings", () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-config-"));
    file = join(folder, "config.yaml");
  });
  afterAll(() => rm(folder, { recursive: true }));
  afterEach(async () => {
    delete process.env["GRIDPOST_TEST_NAME"];
    await rm(file, { force: true });
  });

  const load = (over: { set?: string[]; flags?: Record<string, unknown> } = {}) =>
    loadConfig(schema, {
      file,
      env: { GRIDPOST_TEST_NAME: "name" },
      set: over.set ?? [],
      flags: over.flags ?? {},
    });

  it("have defaults, and need no file", () => {
    expect(load()).toEqual({ name: "none", leases: { minTtl: 60_000, most: 1 } });
  });

  it("come from the file, then the environment, then --set, then flags", async () => {
    await writeFile(file, "name: file\nleases:\n  minTtl: 5s\n  most: 7\n");
    expect(load()).toEqual({ name: "file", leases: { minTtl: 5_000, most: 7 } });
    process.env["GRIDPOST_TEST_NAME"] = "environment";
    expect(load().name).toBe("environment");
    expect(load({ set: ["name=set", "leases.minTtl=1s"] })).toEqual({
      name: "set",
      leases: { minTtl: 1_000, most: 7 },
    });
    expect(load({ set: ["name=set"], flags: { name: "flag" } }).name).toBe("flag");
    expect(load({ flags: { name: undefined } }).name).toBe("environment");
  });

  it("name every mistake with its line", async () => {
    await writeFile(file, "colour: red\nleases:\n  minTtl: 5\n  minTTL: 5s\n");
    expect(() => load()).toThrow(/config\.yaml:1: there is no setting colour/);
    expect(() => load()).toThrow(/config\.yaml:3: leases\.minTtl: 5 is not a duration/);
    expect(() => load()).toThrow(/config\.yaml:4: there is no setting leases\.minTTL/);
  });

  it("name what gave a wrong value, and no line of the file for what the file says right", async () => {
    await writeFile(file, "name: file\nleases:\n  minTtl: 5s\n");
    expect(() => load({ set: ["leases.minTtl=5"] })).toThrow(/^--set: leases\.minTtl: "5" is not/);
    expect(() => load({ set: ["leases=5"] })).toThrow(/^--set: leases: /);
    expect(() => load({ set: ["leases.minTTL=5s"] })).toThrow(/^--set: there is no setting/);
    expect(() => load({ flags: { name: 5 } })).toThrow(/^--name: name: /);
    expect(() => load({ set: ["leases.most=x"] })).toThrow(/^--set: leases\.most: /);
  });

  it("refuse a file that is not YAML or not a map, and a --set without a value", async () => {
    await writeFile(file, "name: [");
    expect(() => load()).toThrow(/config\.yaml is not YAML/);
    await writeFile(file, "name: *nothing");
    expect(() => load()).toThrow(/config\.yaml is not YAML: Unresolved alias/);
    await writeFile(file, "- name");
    expect(() => load()).toThrow(/must hold settings as key: value/);
    await rm(file);
    expect(() => load({ set: ["name"] })).toThrow(/--set name/);
  });
});
