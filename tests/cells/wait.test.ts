import { expect, it } from "vitest";
import { waitUntil } from "../../cells/wait.ts";
import type { Db } from "../../storage/db.ts";

it("a wait that is woken many times is not told of as a leak", async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error): void => void warnings.push(message);
  process.on("warning", note);
  let ring = (): void => undefined;
  const listen = (wake: () => void): Promise<() => Promise<void>> => {
    ring = wake;
    return Promise.resolve(() => Promise.resolve());
  };
  let looked = 0;
  const done = (): Promise<boolean> => {
    ring();
    return Promise.resolve(++looked > 15);
  };
  const { signal } = new AbortController();
  await waitUntil({ listen } as unknown as Db, done, { ms: 60_000, signal });
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", note);
  expect(looked).toBe(16);
  expect(warnings).toEqual([]);
});
