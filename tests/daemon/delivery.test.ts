import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import { UnreachableError } from "../../contract/client.ts";
import { ProblemError } from "../../contract/problem.ts";
import { deliver } from "../../daemon/delivery.ts";
import type { Node } from "../../daemon/node.ts";
import { REPORT } from "../support/fleet.ts";

vi.mock("../../daemon/timers.ts", async (original) => ({
  ...(await original<object>()),
  sleep: () => Promise.resolve(),
}));

function nodeThat(
  data: string,
  complete: () => Promise<{ accepted: boolean; state: string; next: null }>,
): Node {
  return {
    options: { data },
    server: { client: { cells: { complete } } },
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
