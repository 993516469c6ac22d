import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";

/** Of what was refused: whoever sends it in good faith reads the answer when it has sent all. */
const MOST_BYTES = 64 * 1_048_576;

/** Bounds what still comes of requests that have their answer. Node would read it on for as long as a request may take. */
export function boundRests(app: FastifyInstance): void {
  app.addHook("onResponse", (request, _reply, done) => {
    boundRest(request.raw);
    done();
  });
}

function boundRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const { socket } = request;
  let left = MOST_BYTES;
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
}
