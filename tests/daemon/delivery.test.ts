import { mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { sha256 } from "../../contract/cell/cell-id.ts";
import { UnreachableError } from "../../contract/client.ts";
import { ProblemError } from "../../contract/problem.ts";
import type { CallOptions } from "../../contract/transport.ts";
import type { AttemptReport } from "../../contract/run.ts";
import { deliver } from "../../daemon/delivery.ts";
import type { Node } from "../../daemon/node.ts";
import { REPORT } from "../support/fleet.ts";

vi.mock("../../daemon/timers.ts", async (original) => ({
  ...(await original<object>()),
  sleep: () => Promise.resolve(),
}));

function nodeThat(
  data: string,
  complete: (call: never) => Promise<{ accepted: boolean; state: string; next: null }>,
  putEvidence: (call: never, options: CallOptions) => Promise<object> = () =>
    Promise.reject(new Error("no evidence")),
): Node {
  return {
    options: { data },
    server: { client: { cells: { complete, putEvidence } } },
    contact: { nextBeat: () => Promise.resolve() },
    log: pino({ level: "silent" }),
    detach: new AbortController().signal,
  } as unknown as Node;
}

const delivery = { attempt: "a1", kept: { report: REPORT, files: [] }, offer: null };

it("sets a result aside that the server will never take, so that the next one gets its turn", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-delivery-"));
  const complete = vi.fn(() =>
    Promise.reject(new ProblemError("UNPROCESSABLE", "two values for repeat 1")),
  );
  expect(await deliver(nodeThat(data, complete), delivery)).toBeNull();
  expect(complete).toHaveBeenCalledTimes(10);
  expect(await readdir(join(data, "refused"))).toEqual(["a1.json"]);
  const kept = JSON.parse(await readFile(join(data, "refused", "a1.json"), "utf8")) as object;
  expect(kept).toMatchObject({ error: "two values for repeat 1", report: { outcome: "ok" } });
  await rm(data, { recursive: true });
});

it("delivers a result without the files that are gone or are not what was measured any more", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-delivery-"));
  const files = await Promise.all(
    ["whole", "changed", "link", "gone"].map(async (name) => {
      const path = join(data, name);
      await writeFile(path, name);
      return { name, path, sha256: sha256(name), size: name.length };
    }),
  );
  await writeFile(join(data, "changed"), "Changed");
  await rename(join(data, "link"), join(data, "elsewhere"));
  await symlink("elsewhere", join(data, "link"));
  await rm(join(data, "gone"));
  const evidence = files.map(({ name, sha256: hash, size }) => ({ name, sha256: hash, size }));
  const environment = { node: "n1", evidenceLeftOut: "2" };
  const kept = { report: { ...REPORT, evidence, environment }, files };
  const complete = vi.fn((_call: { body: { report: AttemptReport } }) =>
    Promise.resolve({ accepted: true, state: "succeeded", next: null }),
  );
  const putEvidence = vi.fn((_call: { params: { sha256: string } }) => Promise.resolve({}));
  const node = nodeThat(data, complete, putEvidence);
  await deliver(node, { attempt: "a1", kept, offer: null });
  expect(putEvidence.mock.calls.map(([{ params }]) => params.sha256)).toEqual([sha256("whole")]);
  const { report } = complete.mock.calls[0]?.[0].body ?? {};
  expect(report).toEqual({
    ...REPORT,
    evidence: evidence.slice(0, 1),
    environment: { node: "n1", evidenceLeftOut: "5" },
  });
  await rm(data, { recursive: true });
});

it("gives a large file the time that a slow line needs for it", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-delivery-"));
  const bytes = Buffer.alloc(32 * 1_048_576 + 1);
  const file = { name: "trace", path: join(data, "trace"), sha256: sha256(bytes) };
  await writeFile(file.path, bytes);
  const times: (number | undefined)[] = [];
  const putEvidence = (_call: never, { timeoutMs }: CallOptions): Promise<object> => {
    times.push(timeoutMs);
    return Promise.resolve({});
  };
  const done = { accepted: true, state: "succeeded", next: null };
  const node = nodeThat(data, () => Promise.resolve(done), putEvidence);
  const kept = { report: REPORT, files: [{ ...file, size: bytes.length }] };
  await deliver(node, { attempt: "a1", kept, offer: null });
  // At 300 kB/s, a third more in base64.
  expect(times[0]).toBeGreaterThan((bytes.length * 4) / 3 / 300);
  expect(times[0]).toSatisfy(Number.isInteger);
  await rm(data, { recursive: true });
});

it("takes no answer of something in between for the server's", async () => {
  const failures = [
    new ProblemError("UNAVAILABLE", "the server answered 502 without a readable body"),
    new UnreachableError("a page of HTML", undefined, undefined),
    new ProblemError("RATE_LIMITED", "too much"),
  ];
  const complete = vi.fn(() => {
    const failure = failures.shift();
    return failure === undefined
      ? Promise.resolve({ accepted: true, state: "succeeded", next: null })
      : Promise.reject(failure);
  });
  expect(await deliver(nodeThat("/nowhere", complete), delivery)).toBeNull();
  expect(complete).toHaveBeenCalledTimes(4);
});
