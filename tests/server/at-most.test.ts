import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import { atMost } from "../../server/at-most.ts";

const chunks = (...sizes: number[]): Readable =>
  Readable.from(sizes.map((size) => Buffer.alloc(size)));

it("passes what is no longer than it may be, and fails with the first byte beyond", async () => {
  expect(await buffer(chunks(4, 6).pipe(atMost(10)))).toHaveLength(10);
  await expect(buffer(chunks(4, 6, 1).pipe(atMost(10)))).rejects.toMatchObject({
    code: "PAYLOAD_TOO_LARGE",
  });
});
