import type { Readable, Transform } from "node:stream";

/**
 * The body of a request through a stream that fails as the request does. Its errors are for whoever reads it: of a body
 * that nobody reads any more they are for nobody.
 */
export function bodyThrough(body: Readable, through: Transform): Transform {
  body.once("error", (error) => through.destroy(error));
  through.on("error", () => undefined);
  return body.pipe(through);
}
