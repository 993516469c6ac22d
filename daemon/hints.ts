import WebSocket from "ws";
import type { z } from "zod";
import { Downstream, type Upstream } from "../contract/stream.ts";
import type { Node } from "./node.ts";
import { backoff, sleep } from "./timers.ts";

/** Silence after which a socket is dead, in pings of the server. */
const PINGS = 2;
const FIRST_PING_MS = 20_000;

/** Keeps a stream to the server open that says when there may be work. Hints only: whatever they miss, polls find. */
export async function hintLoop(node: Node): Promise<void> {
  let failures = 0;
  while (!node.detach.aborted) {
    const connected = await listen(node, failures > 0).catch((error: unknown) => {
      node.log.debug({ error: String(error) }, "no stream");
      return false;
    });
    failures = connected ? 0 : failures + 1;
    await sleep(backoff(Math.max(failures, 1)), node.detach);
  }
}

/** Until the stream ends; true if it was ever open. */
async function listen(node: Node, fresh: boolean): Promise<boolean> {
  const token = await node.server.token(fresh);
  // From here on the signal closes the socket; before, nobody listened to it.
  if (node.detach.aborted) return false;
  const url = `${node.server.url.replace(/^http/, "ws").replace(/\/$/, "")}/v1/stream`;
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: 10_000,
  });
  let opened = false;
  let pingMs = FIRST_PING_MS;
  let watchdog: NodeJS.Timeout | undefined;
  const alive = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => socket.terminate(), pingMs * PINGS);
  };
  const close = (): void => socket.terminate();
  node.detach.addEventListener("abort", close);
  const send = (frame: Upstream): void => socket.send(JSON.stringify(frame));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on("open", () => {
        opened = true;
        node.hinted = true;
        send({ type: "subscribe.work" });
        alive();
      });
      socket.on("message", (data: Buffer) => {
        const frame = readFrame(data.toString());
        if (frame?.type === "hello") ({ pingMs } = frame);
        alive();
        if (frame?.type === "ping") send({ type: "pong" });
        if (frame?.type === "work") wake(node);
      });
      socket.on("close", () => resolve());
      socket.on("error", reject);
    });
  } finally {
    node.hinted = false;
    clearTimeout(watchdog);
    node.detach.removeEventListener("abort", close);
    socket.terminate();
  }
  return opened;
}

/** Undefined for a frame that this version does not know, and for what is none. */
function readFrame(text: string): z.output<typeof Downstream> | undefined {
  try {
    return Downstream.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** There may be work, one of our runs has been cancelled, or the node need not drain any more. */
function wake({ wakeClaims, wakeBeat, spool, contact }: Node): void {
  wakeClaims.wake();
  if (contact.draining || spool.sessions().length > 0) wakeBeat.wake();
}
