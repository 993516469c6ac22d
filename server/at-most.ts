import { Transform } from "node:stream";
import { ProblemError } from "../contract/problem.ts";

/** Passes on so many bytes and fails with PAYLOAD_TOO_LARGE at the next one: for what grows while it is read. */
export function atMost(bytes: number): Transform {
  let left = bytes;
  return new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      left -= chunk.length;
      next(left < 0 ? tooLarge(bytes) : null, chunk);
    },
  });
}

const tooLarge = (bytes: number): ProblemError =>
  new ProblemError("PAYLOAD_TOO_LARGE", `the body has more than ${bytes} bytes`, {
    next: "send less, or in several calls",
  });
