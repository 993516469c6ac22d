import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { z } from "zod";
import { Downstream, PROTOCOL_VERSION, Upstream } from "../../contract/stream.ts";

/**
 * The hash of the frames of each version. A version that was released keeps its hash for ever: changed frames need a
 * higher PROTOCOL_VERSION and a new line here.
 */
const FRAMES: Readonly<Record<number, string>> = {
  1: "00ec4a883e1063e13105491bc53d71632766b896a76d1558d6f3a1215ed354e2",
};

it("raises the protocol version whenever a frame changes", () => {
  const schemas = [Upstream, Downstream].map((frames) => z.toJSONSchema(frames, { io: "input" }));
  const hash = createHash("sha256").update(JSON.stringify(schemas)).digest("hex");
  expect({ [PROTOCOL_VERSION]: hash }).toEqual({ [PROTOCOL_VERSION]: FRAMES[PROTOCOL_VERSION] });
});
