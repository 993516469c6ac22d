import { expect, it } from "vitest";
import { waitUntil } from "../../cells/wait.ts";
import type { Db } from "../../storage/db.ts";
import { collectGarbage } from "../support/garbage.ts";

it("a wait ends in time, whatever is collected as garbage meanwhile", async () => {
  const listen = () => Promise.resolve(() => Promise.resolve());
  const { signal } = new AbortController();
  const waiting = waitUntil({ listen } as unknown as Db, () => Promise.resolve(false), {
    ms: 300,
    signal,
  });
  await collectGarbage();
  await waiting;
});

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
