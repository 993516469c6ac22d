import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openDeniedLog } from "../../server/denied-log.ts";

it("goes on with the log of refusals some time after it could not be written", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-denied-"));
  onTestFinished(() => rm(data, { recursive: true }));
  const file = join(data, "denied.log");
  await mkdir(file);
  const errors: unknown[] = [];
  let now = 0;
  const log = await openDeniedLog(
    data,
    (error) => errors.push(error),
    () => now,
  );
  await expect.poll(() => errors.length).toBe(1);
  await rm(file, { recursive: true });
  const refuse = (route: string): void =>
    log.write({ address: "192.0.2.1", method: "GET", route, message: "no token" });
  refuse("/too-early");
  now = 10_000;
  refuse("/later");
  await log.close();
  const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean);
  expect(lines.map((line) => (JSON.parse(line) as { route: string }).route)).toEqual(["/later"]);
  expect(errors).toHaveLength(1);
});
