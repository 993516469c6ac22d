import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { familiarImage, isImage } from "../../contract/cell/image.ts";

const HEX = "0123456789abcdef".repeat(4);
const DIGEST = `sha256:${HEX}`;

/** After the reference grammar of github.com/distribution/reference. */
const part = fc.stringMatching(/^[a-z0-9]{1,5}(?:(?:[._]|__|-)[a-z0-9]{1,5})?$/);
const account = fc
  .stringMatching(/^[a-z0-9]{1,8}$/)
  .filter((name) => name !== "library" && name !== "localhost");
const tag = fc.stringMatching(/^:[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}$/);
const host = fc.constantFrom("localhost", "localhost:5000", "reg.example", "reg.example:443");

/** What follows a name: as it is written, and as engines show it, without a tag beside a digest. */
const end = fc
  .record({ tagged: fc.option(tag, { nil: "" }), digested: fc.constantFrom("", `@${DIGEST}`) })
  .map(({ tagged, digested }) => ({ written: tagged + digested, shown: digested || tagged }));

describe("the familiar form of an image", () => {
  test.each([
    ["alpine", "alpine"],
    ["alpine:3", "alpine:3"],
    ["library/alpine:3", "alpine:3"],
    ["docker.io/alpine:3", "alpine:3"],
    ["docker.io/library/alpine:3", "alpine:3"],
    ["index.docker.io/library/alpine", "alpine"],
    ["docker.io/rocm/vllm:1", "rocm/vllm:1"],
    ["docker.io/library/a/b", "library/a/b"],
    ["reg.example/library/alpine:3", "reg.example/library/alpine:3"],
    ["reg.example:5000/a", "reg.example:5000/a"],
    ["localhost/library/alpine", "localhost/library/alpine"],
    [`alpine:3@${DIGEST}`, `alpine@${DIGEST}`],
    [`docker.io/library/alpine:3@${DIGEST}`, `alpine@${DIGEST}`],
    [`reg.example:5000/a@${DIGEST}`, `reg.example:5000/a@${DIGEST}`],
    [`reg.example:5000/a:1@${DIGEST}`, `reg.example:5000/a@${DIGEST}`],
    [DIGEST, DIGEST],
    [HEX, DIGEST],
  ])("of %s is %s", (reference, familiar) => {
    expect(familiarImage(reference)).toBe(familiar);
  });

  test("of an image of the default registry is the same however much of its name is written", () => {
    const registry = fc.constantFrom("docker.io/", "index.docker.io/");
    fc.assert(
      fc.property(
        fc.tuple(registry, account),
        part,
        end,
        ([prefix, of], name, { written, shown }) => {
          for (const full of [
            name,
            `library/${name}`,
            `${prefix}${name}`,
            `${prefix}library/${name}`,
          ])
            expect(familiarImage(full + written)).toBe(name + shown);
          for (const full of [`${of}/${name}`, `${prefix}${of}/${name}`])
            expect(familiarImage(full + written)).toBe(`${of}/${name}${shown}`);
        },
      ),
    );
  });

  test("of an image of another registry keeps its whole name", () => {
    const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
    const name = fc.tuple(host, path).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(name, end, (full, { written, shown }) => {
        expect(familiarImage(full + written)).toBe(full + shown);
        expect(isImage(full + written)).toBe(true);
      }),
    );
  });
});
