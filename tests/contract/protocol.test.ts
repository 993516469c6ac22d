import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { z } from "zod";
import { Downstream, PROTOCOL_VERSION, Upstream } from "../../contract/stream.ts";

/**
 * The hash of the frames of each version. A version that was released keeps its hash for ever: changed frames need a
 * higher PROTOCOL_VERSION and a new line here.
 */
const FRAMES: Readonly<Record<number, string>> = {
  1: "5d715e39fbac9aaaa824c18efe25d03fd3dcaafa87e1e7e02d135acf53b77550",
};

it("raises the protocol version whenever a frame changes", () => {
  const schemas = [Upstream, Downstream].map((frames) => z.toJSONSchema(frames, { io: "input" }));
  const hash = createHash("sha256").update(JSON.stringify(schemas)).digest("hex");
  expect({ [PROTOCOL_VERSION]: hash }).toEqual({ [PROTOCOL_VERSION]: FRAMES[PROTOCOL_VERSION] });
});
